/** dvm container prune */
import type { ContainersPruneResponse } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { filtersQuery, pruneFilterFlag } from '../arguments/filters.ts';
import { confirmed } from '../output/confirm.ts';
import { humanSize } from '../output/human-units.ts';
import { ExitError } from '../exit-error.ts';

export const command: Command = {
  usage: '[OPTIONS]',
  flags: [
    pruneFilterFlag,
    { name: 'force', short: 'f', kind: 'bool', help: 'Do not prompt for confirmation' },
  ],
  args: { min: 0, max: 0 },
  run: async ({ flags, client, out, err }) => {
    if (
      !flags.bool('force') &&
      !(await confirmed({ err }, 'WARNING! This will remove all stopped containers.'))
    ) {
      throw new ExitError(1, 'container prune has been cancelled');
    }
    const query = { filters: filtersQuery(flags.list('filter')) };
    const pruned = await client.json<ContainersPruneResponse>('POST', '/containers/prune', { query });
    const ids = pruned.ContainersDeleted ?? [];
    if (ids.length > 0) await out.write(`Deleted Containers:\n${ids.join('\n')}\n\n`);
    await out.line(`Total reclaimed space: ${humanSize(pruned.SpaceReclaimed)}`);
    return 0;
  },
};
