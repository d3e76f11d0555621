/** dvm exec: a further process in a container. */
import type { ExecCreateRequest, ExecCreateResponse, ExecInspect } from '../../client/api-types.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command, CommandContext } from '../arguments/command.ts';
import { followTerminalSize } from '../attach/follow-terminal-size.ts';
import { requireTerminal } from '../attach/require-terminal.ts';
import { runSession } from '../attach/stream-session.ts';
import { readEnvironment } from '../create/key-value-files.ts';
import { ExitError } from '../exit-error.ts';
import { detachKeysFor } from '../registry/docker-config.ts';
import { parseDetachKeys } from '../terminal/detach-keys.ts';
import { openStandardInput } from '../terminal/standard-input.ts';
import { terminalSize } from '../terminal/terminal-size.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  flags: [
    { name: 'detach', short: 'd', kind: 'bool', help: 'Detached mode: run command in the background' },
    { name: 'detach-keys', kind: 'string', help: 'Override the key sequence for detaching a container' },
    { name: 'env', short: 'e', kind: 'list', help: 'Set environment variables' },
    { name: 'env-file', kind: 'list', help: 'Read in a file of environment variables', complete: 'file' },
    { name: 'interactive', short: 'i', kind: 'bool', help: 'Keep STDIN open even if not attached' },
    { name: 'privileged', kind: 'bool', help: 'Give extended privileges to the command' },
    { name: 'tty', short: 't', kind: 'bool', help: 'Allocate a pseudo-TTY' },
    {
      name: 'user',
      short: 'u',
      kind: 'string',
      help: 'Username or UID (format: "<name|uid>[:<group|gid>]")',
    },
    { name: 'workdir', short: 'w', kind: 'string', help: 'Working directory inside the container' },
  ],
  args: { min: 2, max: anyNumber },
  completeArgs: 'running-container',
  stopAtFirstArgument: true,
  run,
};

async function run({ flags, args, client, out, err, env }: CommandContext): Promise<number> {
  const [container = '', ...words] = args;
  const detach = flags.bool('detach');
  const tty = flags.bool('tty');
  const attachStdin = !detach && flags.bool('interactive');
  const keys = detachKeysFor(flags.string('detach-keys'), env);
  const detachKeys = parseDetachKeys(keys);
  const environment = readEnvironment(flags.list('env-file'), flags.list('env'), env);
  if (!detach) requireTerminal(attachStdin, tty);
  const size = tty ? terminalSize() : undefined;
  const consoleSize = size === undefined ? {} : { ConsoleSize: [size.rows, size.columns] as const };
  const request: ExecCreateRequest = {
    User: flags.string('user'),
    Privileged: flags.bool('privileged'),
    Tty: tty,
    ...consoleSize,
    AttachStdin: attachStdin,
    AttachStdout: !detach,
    AttachStderr: !detach,
    ...(flags.isSet('detach-keys') && { DetachKeys: keys }),
    Env: environment,
    WorkingDir: flags.string('workdir'),
    Cmd: words,
  };
  const path = `/containers/${encodeURIComponent(container)}/exec`;
  const { Id: id } = await client.json<ExecCreateResponse>('POST', path, { json: request });
  const start = { Detach: detach, Tty: tty, ...consoleSize };
  if (detach) {
    await client.send('POST', `/exec/${id}/start`, { json: start });
    return 0;
  }
  const stream = await client.hijack('POST', `/exec/${id}/start`, { json: start });
  const input = attachStdin ? openStandardInput() : undefined;
  using listening = new DisposableStack();
  if (tty) listening.use(followTerminalSize(client, `/exec/${id}/resize`, err));
  const end = await runSession(stream, { tty, input, out, err, detachKeys });
  if (end === 'detached') throw new ExitError(1, 'read escape sequence');
  const { ExitCode } = await client.json<ExecInspect>('GET', `/exec/${id}/json`);
  return ExitCode ?? 0;
}
