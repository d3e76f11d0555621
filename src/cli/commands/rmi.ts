/** dvm rmi */
import { ApiError } from '../../client/api-error.ts';
import type { ImageDeleteItem } from '../../client/api-types.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';
import { describeError } from '../output/error-text.ts';

export const command: Command = {
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  flags: [
    { name: 'force', short: 'f', kind: 'bool', help: 'Force removal of the image' },
    { name: 'no-prune', kind: 'bool', help: 'Do not delete untagged parents' },
  ],
  args: { min: 1, max: anyNumber },
  completeArgs: 'image',
  unsupported: ['platform'],
  run: async ({ args, client, flags, out, err }) => {
    const force = flags.bool('force');
    const query = { force: force || undefined, noprune: flags.bool('no-prune') || undefined };
    const failures: unknown[] = [];
    for (const name of args) {
      try {
        const path = `/images/${encodeURIComponent(name)}`;
        for (const item of await client.json<readonly ImageDeleteItem[]>('DELETE', path, { query })) {
          await out.line(
            item.Untagged === undefined ? `Deleted: ${item.Deleted ?? ''}` : `Untagged: ${item.Untagged}`,
          );
        }
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 0) return 0;
    const text = failures.map(describeError).join('\n');
    // With --force what is not there is as good as removed, but it is said.
    const missing = failures.every((error) => error instanceof ApiError && error.status === 404);
    if (!force || !missing) throw new ExitError(1, text);
    await err.line(text);
    return 0;
  },
};
