/** dvm run: create, attach, wait, start, and be the process's terminal until it ends. */
import type { ContainerCreateRequest, ContainerOrigin } from '../../client/api-types.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command, CommandContext, FlagSpec } from '../arguments/command.ts';
import { runAttached } from '../attach/attached-run.ts';
import { requireTerminal } from '../attach/require-terminal.ts';
import { proxySignals } from '../attach/signal-proxy.ts';
import { containerFlags, unsupportedContainerFlags } from '../create/container-flags.ts';
import { checkPullPolicy, createContainer } from '../create/create-container.ts';
import { createRequest } from '../create/create-request.ts';
import { asExitError, startFailureCode } from '../create/start-failure.ts';
import { detachKeysFor } from '../registry/docker-config.ts';
import { parseDetachKeys } from '../terminal/detach-keys.ts';
import { terminalSize } from '../terminal/terminal-size.ts';

const runFlags: readonly FlagSpec[] = [
  { name: 'detach', short: 'd', kind: 'bool', help: 'Run container in background and print container ID' },
  { name: 'detach-keys', kind: 'string', help: 'Override the key sequence for detaching a container' },
  {
    name: 'show-origin',
    kind: 'bool',
    help: 'Say on stderr what ran it: VMM, accelerator, guest kernel, start time',
  },
  { name: 'sig-proxy', kind: 'bool', default: true, help: 'Proxy received signals to the process' },
  { name: 'no-sig-proxy', kind: 'bool', help: 'Do not proxy received signals', hidden: true },
];

export const command: Command = {
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  flags: [...containerFlags, ...runFlags],
  args: { min: 1, max: anyNumber },
  completeArgs: 'image',
  stopAtFirstArgument: true,
  unsupported: unsupportedContainerFlags,
  run,
};

async function run(context: CommandContext): Promise<number> {
  const request = requestOf(context);
  const keys = detachKeysFor(context.flags.string('detach-keys'), context.env);
  if (!context.flags.bool('detach')) requireTerminal(request.AttachStdin === true, request.Tty === true);
  try {
    return await createAndStart(context, request, keys);
  } catch (error) {
    throw asExitError(error, context.calledAs, startFailureCode(error));
  }
}

function requestOf({ flags, args, env, calledAs }: CommandContext): ContainerCreateRequest {
  try {
    checkPullPolicy(flags.string('pull'));
    if (flags.string('detach-keys') !== '') parseDetachKeys(flags.string('detach-keys'));
    const [image = '', ...command] = args;
    const size = terminalSize();
    return createRequest({
      flags,
      image,
      command,
      env,
      detach: flags.bool('detach'),
      consoleSize: size === undefined ? undefined : [size.rows, size.columns],
    });
  } catch (error) {
    throw asExitError(error, calledAs, 125);
  }
}

async function createAndStart(
  context: CommandContext,
  request: ContainerCreateRequest,
  keys: string,
): Promise<number> {
  const { client, flags, out, err } = context;
  const id = await createContainer(context, request);
  const path = `/containers/${id}`;
  const attached =
    request.AttachStdin === true || request.AttachStdout === true || request.AttachStderr === true;
  if (!attached) {
    await client.send('POST', `${path}/start`);
    await out.line(id);
    return 0;
  }
  using listening = new DisposableStack();
  if (flags.bool('sig-proxy') && !flags.bool('no-sig-proxy')) {
    listening.use(proxySignals((signal) => client.send('POST', `${path}/kill`, { query: { signal } })));
  }
  const asked = performance.now();
  let origin: Promise<string> | undefined;
  const exitCode = await runAttached({
    client,
    id,
    tty: request.Tty === true,
    stdin: request.AttachStdin === true,
    stdout: request.AttachStdout === true,
    stderr: request.AttachStderr === true,
    autoRemove: flags.bool('rm'),
    detachKeys: keys,
    out,
    err,
    ...(flags.bool('show-origin') && {
      onStarted: () => {
        origin = originLine(context, id, performance.now() - asked);
      },
    }),
  });
  if (origin !== undefined) await err.line(await origin);
  return exitCode;
}

/** The daemon forgets a container that is removed: one that ended within the blink of an eye is described by its host. */
async function originLine({ client, flags }: CommandContext, id: string, elapsedMs: number): Promise<string> {
  try {
    const origin = await client.json<ContainerOrigin>('GET', `/dvm/v1/containers/${id}/origin`);
    return describe(
      origin.vmm,
      origin.accelerator,
      `${origin.kernelRelease} (${origin.kernelKind})`,
      origin.startMs,
    );
  } catch {
    const { hostOrigin } = await import('../output/host-origin.ts');
    const { vmm, accelerator, kernel } = await hostOrigin(client, flags.string('kernel'));
    return describe(vmm, accelerator, kernel, elapsedMs);
  }
}

function describe(vmm: string, accelerator: string, kernel: string, startMs: number): string {
  return `dvm: ran in a microVM of its own: ${vmm}, ${accelerator}, guest kernel ${kernel}, started in ${Math.round(startMs)} ms`;
}
