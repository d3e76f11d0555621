/** dvm kill */
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { forEachName } from './each-container.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  flags: [{ name: 'signal', short: 's', kind: 'string', help: 'Signal to send to the container' }],
  args: { min: 1, max: anyNumber },
  completeArgs: 'running-container',
  run: (context) => {
    const query = { signal: context.flags.string('signal') || undefined };
    return forEachName(context, (path) => context.client.send('POST', `${path}/kill`, { query }));
  },
};
