/** dvm attach: this process's streams on a container that runs already. */
import type { ContainerInspect } from '../../client/api-types.ts';
import type { DaemonClient } from '../../client/daemon-client.ts';
import type { Command, CommandContext } from '../arguments/command.ts';
import { attachStream, drain, exitCodeOf } from '../attach/attached-run.ts';
import { followTerminalSize } from '../attach/follow-terminal-size.ts';
import { requireTerminal } from '../attach/require-terminal.ts';
import { proxySignals } from '../attach/signal-proxy.ts';
import { runSession } from '../attach/stream-session.ts';
import { ExitError } from '../exit-error.ts';
import { detachKeysFor } from '../registry/docker-config.ts';
import { parseDetachKeys } from '../terminal/detach-keys.ts';
import { openStandardInput } from '../terminal/standard-input.ts';
import { terminalSize } from '../terminal/terminal-size.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER',
  flags: [
    { name: 'detach-keys', kind: 'string', help: 'Override the key sequence for detaching a container' },
    { name: 'no-stdin', kind: 'bool', help: 'Do not attach STDIN' },
    { name: 'sig-proxy', kind: 'bool', default: true, help: 'Proxy all received signals to the process' },
  ],
  args: { min: 1, max: 1 },
  completeArgs: 'running-container',
  run,
};

async function run({ args, client, flags, out, err, env }: CommandContext): Promise<number> {
  const [name = ''] = args;
  const detachKeys = detachKeysFor(flags.string('detach-keys'), env);
  const detachBytes = parseDetachKeys(detachKeys);
  const { Id: id, Config: config } = await runningContainer(client, name);
  const path = `/containers/${id}`;
  const waiting = await client.call('POST', `${path}/wait`, { query: { condition: 'not-running' } });
  const tty = config.Tty === true;
  const stdin = !flags.bool('no-stdin') && config.OpenStdin === true;
  requireTerminal(stdin, tty);
  using listening = new DisposableStack();
  if (flags.bool('sig-proxy') && !tty) {
    listening.use(proxySignals((signal) => client.send('POST', `${path}/kill`, { query: { signal } })));
  }
  const stream = await attachStream(client, id, { stdin, stdout: true, stderr: true, detachKeys });
  if (tty) {
    await makeItRedraw(client, `${path}/resize`);
    listening.use(followTerminalSize(client, `${path}/resize`, err));
  }
  const input = stdin ? openStandardInput() : undefined;
  const end = await runSession(stream, { tty, input, out, err, detachKeys: detachBytes });
  return end === 'detached' ? 0 : exitCodeOf(await drain(waiting.body));
}

async function runningContainer(client: DaemonClient, name: string): Promise<ContainerInspect> {
  const container = await client.json<ContainerInspect>(
    'GET',
    `/containers/${encodeURIComponent(name)}/json`,
  );
  const { Running, Paused, Restarting } = container.State;
  if (!Running) throw new ExitError(1, 'cannot attach to a stopped container, start it first');
  if (Paused) throw new ExitError(1, 'cannot attach to a paused container, unpause it first');
  if (Restarting) throw new ExitError(1, 'cannot attach to a restarting container, wait until it is running');
  return container;
}

/** A full-screen program draws anew when its terminal changes: one size too large first, the right one follows. */
async function makeItRedraw(client: DaemonClient, path: string): Promise<void> {
  const size = terminalSize();
  if (size === undefined) return;
  await client
    .send('POST', path, { query: { h: size.rows + 1, w: size.columns + 1 } })
    .catch(() => undefined);
}
