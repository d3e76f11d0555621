/** dvm rm */
import { ApiError } from '../../client/api-error.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { forEachName } from './each-container.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  flags: [
    {
      name: 'force',
      short: 'f',
      kind: 'bool',
      help: 'Force the removal of a running container (uses SIGKILL)',
    },
    {
      name: 'volumes',
      short: 'v',
      kind: 'bool',
      help: 'Remove anonymous volumes associated with the container',
    },
  ],
  args: { min: 1, max: anyNumber },
  completeArgs: 'container',
  unsupported: ['link', 'l'],
  run: (context) => {
    const force = context.flags.bool('force');
    const query = { force: force || undefined, v: context.flags.bool('volumes') || undefined };
    // With --force what is not there is as good as removed.
    return forEachName(
      context,
      (path) => context.client.send('DELETE', path, { query }),
      (error) => force && error instanceof ApiError && error.status === 404,
    );
  },
};
