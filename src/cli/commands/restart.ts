/** dvm restart */
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { forEachName } from './each-container.ts';
import { stopFlags, stopQuery } from './stop-flags.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  flags: stopFlags,
  args: { min: 1, max: anyNumber },
  completeArgs: 'container',
  run: (context) => {
    const query = stopQuery(context.flags);
    return forEachName(context, (path) => context.client.send('POST', `${path}/restart`, { query }));
  },
};
