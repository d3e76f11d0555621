/** dvm stats */
import type { ContainerSummary } from '../../client/api-types.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command, CommandContext } from '../arguments/command.ts';
import { formatRows } from '../output/format-rows.ts';
import { statsHeaders, statsRow } from '../output/stats-rows.ts';
import type { StatsSample } from '../output/stats-rows.ts';
import { readDockerConfig } from '../registry/docker-config.ts';
import { StatsWatch } from './stats-watch.ts';

const defaultTable =
  '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}';
const refreshMs = 500;

export const command: Command = {
  usage: '[OPTIONS] [CONTAINER...]',
  flags: [
    { name: 'all', short: 'a', kind: 'bool', help: 'Show all containers (default shows just running)' },
    {
      name: 'format',
      kind: 'string',
      help: "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template",
    },
    { name: 'no-stream', kind: 'bool', help: 'Disable streaming stats and only pull the first result' },
    { name: 'no-trunc', kind: 'bool', help: 'Do not truncate output' },
  ],
  args: { min: 0, max: anyNumber },
  completeArgs: 'running-container',
  run: async (context) => {
    const { flags } = context;
    const once = flags.bool('no-stream');
    await using watch = new StatsWatch(context.client, !once);
    if (context.args.length > 0) await watch.addAll(context.args);
    else if (once) await watch.addAll(await listed(context));
    else await watch.followEvents(await listed(context), flags.bool('all'));
    if (once) {
      await context.out.write(table(context, watch.samples()));
      return 0;
    }
    return await redraw(context, watch);
  },
};

async function listed({ client, flags }: CommandContext): Promise<readonly string[]> {
  const query = { all: flags.bool('all') || undefined };
  return (await client.json<readonly ContainerSummary[]>('GET', '/containers/json', { query })).map(
    ({ Id }) => Id,
  );
}

/** Until the last container that was named is gone, or the user has seen enough. */
async function redraw(context: CommandContext, watch: StatsWatch): Promise<number> {
  for await (const samples of watch.frames(refreshMs)) {
    const lines = table(context, samples).split('\n');
    await context.out.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\n')}\x1b[J`);
  }
  return 0;
}

function table({ flags, env }: CommandContext, samples: readonly StatsSample[]): string {
  const rows = samples.map((sample) => statsRow(sample, !flags.bool('no-trunc')));
  const format = flags.string('format') || (readDockerConfig(env).statsFormat ?? '');
  return formatRows(rows, { format, defaultTable, headers: statsHeaders });
}
