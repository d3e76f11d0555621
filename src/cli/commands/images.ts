/** dvm images */
import type { ImageSummary } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { filterFlag, filtersQuery } from '../arguments/filters.ts';
import { formatRows, mentions } from '../output/format-rows.ts';
import { imageHeaders, imageRows } from '../output/image-rows.ts';
import { readDockerConfig } from '../registry/docker-config.ts';

const table = '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}';
const tableWithDigests = '{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}';

export const command: Command = {
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  flags: [
    { name: 'all', short: 'a', kind: 'bool', help: 'Show all images (default hides intermediate images)' },
    { name: 'digests', kind: 'bool', help: 'Show digests' },
    filterFlag,
    {
      name: 'format',
      kind: 'string',
      help: "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template",
    },
    { name: 'no-trunc', kind: 'bool', help: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'bool', help: 'Only show image IDs' },
  ],
  args: { min: 0, max: 1 },
  completeArgs: 'image',
  unsupported: ['tree'],
  run: async ({ args, flags, client, out, env }) => {
    const [pattern] = args;
    const quiet = flags.bool('quiet');
    const format = quiet ? '{{.ID}}' : flags.string('format') || (readDockerConfig(env).imagesFormat ?? '');
    const digests = flags.bool('digests');
    const filters = [...flags.list('filter'), ...(pattern === undefined ? [] : [`reference=${pattern}`])];
    const query = {
      all: flags.bool('all') || undefined,
      filters: filtersQuery(filters),
    };
    const images = await client.json<readonly ImageSummary[]>('GET', '/images/json', { query });
    const context = { truncate: !flags.bool('no-trunc'), nowMs: Date.now() };
    const withDigests = digests || mentions(format, 'Digest');
    const rows = images.flatMap((image) => imageRows(image, withDigests, context));
    await out.write(
      formatRows(rows, { format, defaultTable: digests ? tableWithDigests : table, headers: imageHeaders }),
    );
    return 0;
  },
};
