/** dvm unpause */
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { forEachName } from './each-container.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  flags: [],
  args: { min: 1, max: anyNumber },
  completeArgs: 'running-container',
  run: (context) => forEachName(context, (path) => context.client.send('POST', `${path}/unpause`)),
};
