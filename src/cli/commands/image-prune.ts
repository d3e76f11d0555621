/** dvm image prune */
import type { ImagesPruneResponse } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { filtersQuery, pruneFilterFlag } from '../arguments/filters.ts';
import { ExitError } from '../exit-error.ts';
import { confirmed } from '../output/confirm.ts';
import { humanSize } from '../output/human-units.ts';

export const command: Command = {
  usage: '[OPTIONS]',
  flags: [
    { name: 'all', short: 'a', kind: 'bool', help: 'Remove all unused images, not just dangling ones' },
    pruneFilterFlag,
    { name: 'force', short: 'f', kind: 'bool', help: 'Do not prompt for confirmation' },
  ],
  args: { min: 0, max: 0 },
  run: async ({ flags, client, out, err }) => {
    const all = flags.bool('all');
    const warning = all
      ? 'WARNING! This will remove all images without at least one container associated to them.'
      : 'WARNING! This will remove all dangling images.';
    if (!flags.bool('force') && !(await confirmed({ err }, warning))) {
      throw new ExitError(1, 'image prune has been cancelled');
    }
    const query = { filters: filtersQuery([...flags.list('filter'), `dangling=${!all}`]) };
    const pruned = await client.json<ImagesPruneResponse>('POST', '/images/prune', { query });
    const items = pruned.ImagesDeleted ?? [];
    if (items.length > 0) {
      const lines = items.map((item) =>
        item.Untagged === undefined ? `deleted: ${item.Deleted ?? ''}` : `untagged: ${item.Untagged}`,
      );
      await out.write(`Deleted Images:\n${lines.join('\n')}\n\n`);
    }
    await out.line(`Total reclaimed space: ${humanSize(pruned.SpaceReclaimed)}`);
    return 0;
  },
};
