/** dvm ps */
import type { ContainerSummary } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { filterFlag, filtersQuery } from '../arguments/filters.ts';
import { containerHeaders, containerRow } from '../output/container-rows.ts';
import { formatRows, mentions } from '../output/format-rows.ts';
import { readDockerConfig } from '../registry/docker-config.ts';

const defaultTable =
  '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}';

export const command: Command = {
  usage: '[OPTIONS]',
  flags: [
    { name: 'all', short: 'a', kind: 'bool', help: 'Show all containers (default shows just running)' },
    filterFlag,
    {
      name: 'format',
      kind: 'string',
      help: "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template",
    },
    { name: 'last', short: 'n', kind: 'int', help: 'Show n last created containers (includes all states)' },
    {
      name: 'latest',
      short: 'l',
      kind: 'bool',
      help: 'Show the latest created container (includes all states)',
    },
    { name: 'no-trunc', kind: 'bool', help: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'bool', help: 'Only display container IDs' },
    { name: 'size', short: 's', kind: 'bool', help: 'Display total file sizes' },
  ],
  args: { min: 0, max: 0 },
  run: async ({ flags, client, out, env }) => {
    const quiet = flags.bool('quiet');
    const format = quiet ? '{{.ID}}' : flags.string('format') || (readDockerConfig(env).psFormat ?? '');
    const size = flags.isSet('size') ? flags.bool('size') : mentions(format, 'Size') && !quiet;
    const last = flags.bool('latest') ? 1 : flags.int('last');
    const query = {
      all: flags.bool('all') || undefined,
      limit: last > 0 ? last : undefined,
      size: size || undefined,
      filters: filtersQuery(flags.list('filter')),
    };
    const containers = await client.json<readonly ContainerSummary[]>('GET', '/containers/json', { query });
    const context = { truncate: !flags.bool('no-trunc'), nowMs: Date.now() };
    const rows = containers.map((container) => containerRow(container, context));
    const table = flags.bool('size') ? `${defaultTable}\t{{.Size}}` : defaultTable;
    await out.write(formatRows(rows, { format, defaultTable: table, headers: containerHeaders }));
    return 0;
  },
};
