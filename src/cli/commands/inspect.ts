/** dvm inspect: containers and images by one name; a container comes first. */
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';
import { fetchContainer, fetchImage, firstFound, inspectAll } from './inspect-objects.ts';

export const command: Command = {
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  flags: [
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      help: "Format output using a custom template: 'json' or a Go template",
    },
    { name: 'size', short: 's', kind: 'bool', help: 'Display total file sizes if the type is container' },
    {
      name: 'type',
      kind: 'string',
      help: 'Only inspect objects of the given type',
      complete: ['container', 'image'],
    },
  ],
  args: { min: 1, max: anyNumber },
  completeArgs: 'container',
  run: async (context) => {
    const type = context.flags.string('type');
    const size = context.flags.bool('size');
    if (context.flags.isSet('type') && !['container', 'image'].includes(type)) {
      throw new ExitError(1, `unknown type: "${type}": must be one of "container", "image"`);
    }
    const container = fetchContainer(context.client, size);
    const image = fetchImage(context.client);
    if (size && type === 'image') await context.err.line('WARNING: --size ignored for image');
    return await inspectAll(
      context,
      type === 'container' ? container : type === 'image' ? image : firstFound([container, image]),
    );
  },
};
