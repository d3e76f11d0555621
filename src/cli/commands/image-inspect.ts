/** dvm image inspect */
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { fetchImage, inspectAll } from './inspect-objects.ts';

export const command: Command = {
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  flags: [
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      help: "Format output using a custom template: 'json' or a Go template",
    },
  ],
  args: { min: 1, max: anyNumber },
  completeArgs: 'image',
  unsupported: ['platform'],
  run: (context) => inspectAll(context, fetchImage(context.client)),
};
