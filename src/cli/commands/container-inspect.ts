/** dvm container inspect */
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { fetchContainer, inspectAll } from './inspect-objects.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  flags: [
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      help: "Format output using a custom template: 'json' or a Go template",
    },
    { name: 'size', short: 's', kind: 'bool', help: 'Display total file sizes' },
  ],
  args: { min: 1, max: anyNumber },
  completeArgs: 'container',
  run: (context) => inspectAll(context, fetchContainer(context.client, context.flags.bool('size'))),
};
