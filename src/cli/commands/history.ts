/** dvm history */
import type { ImageHistoryItem } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { formatRows } from '../output/format-rows.ts';
import { ellipsis, humanAgo, humanSize, localRfc3339, shortId } from '../output/human-units.ts';
import type { Fields } from '../template/values.ts';

const table = '{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}';
const headers = {
  ID: 'IMAGE',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
};

interface HistoryContext {
  readonly truncate: boolean;
  readonly human: boolean;
  readonly nowMs: number;
}

export const command: Command = {
  usage: '[OPTIONS] IMAGE',
  flags: [
    {
      name: 'format',
      kind: 'string',
      help: "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template",
    },
    {
      name: 'human',
      short: 'H',
      kind: 'bool',
      default: true,
      help: 'Print sizes and dates in human readable format',
    },
    { name: 'no-trunc', kind: 'bool', help: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'bool', help: 'Only show image IDs' },
  ],
  args: { min: 1, max: 1 },
  completeArgs: 'image',
  unsupported: ['platform'],
  run: async ({ args, flags, client, out }) => {
    const [name = ''] = args;
    const items = await client.json<readonly ImageHistoryItem[]>(
      'GET',
      `/images/${encodeURIComponent(name)}/history`,
    );
    const context = { truncate: !flags.bool('no-trunc'), human: flags.bool('human'), nowMs: Date.now() };
    const rows = items.map((item) => historyRow(item, context));
    const format = flags.bool('quiet') ? '{{.ID}}' : flags.string('format');
    const defaultTable = context.human ? table : table.replace('CreatedSince', 'CreatedAt');
    await out.write(formatRows(rows, { format, defaultTable, headers }));
    return 0;
  },
};

function historyRow(item: ImageHistoryItem, { truncate, human, nowMs }: HistoryContext): Fields {
  const createdBy = item.CreatedBy.replaceAll('\t', ' ');
  return {
    ID: truncate ? shortId(item.Id) : item.Id,
    CreatedAt: localRfc3339(item.Created),
    CreatedSince: human ? humanAgo(item.Created * 1000, nowMs) : localRfc3339(item.Created),
    CreatedBy: truncate ? ellipsis(createdBy, 45) : createdBy,
    Size: human ? humanSize(item.Size, 3) : String(item.Size),
    Comment: item.Comment,
  };
}
