/** dvm create */
import type { ContainerCreateRequest } from '../../client/api-types.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command, CommandContext } from '../arguments/command.ts';
import { containerFlags, unsupportedContainerFlags } from '../create/container-flags.ts';
import { checkPullPolicy, createContainer } from '../create/create-container.ts';
import { createRequest } from '../create/create-request.ts';
import { asExitError } from '../create/start-failure.ts';
import { terminalSize } from '../terminal/terminal-size.ts';

export const command: Command = {
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  flags: containerFlags,
  args: { min: 1, max: anyNumber },
  completeArgs: 'image',
  stopAtFirstArgument: true,
  unsupported: unsupportedContainerFlags,
  run: async (context) => {
    const request = requestOf(context);
    await context.out.line(await createContainer(context, request));
    return 0;
  },
};

function requestOf({ flags, args, env, calledAs }: CommandContext): ContainerCreateRequest {
  try {
    checkPullPolicy(flags.string('pull'));
    const [image = '', ...words] = args;
    const size = terminalSize();
    const consoleSize = size === undefined ? undefined : ([size.rows, size.columns] as const);
    return createRequest({ flags, image, command: words, env, detach: false, consoleSize });
  } catch (error) {
    throw asExitError(error, calledAs, 125);
  }
}
