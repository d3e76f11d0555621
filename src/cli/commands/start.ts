/** dvm start */
import type { ContainerInspect } from '../../client/api-types.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command, CommandContext } from '../arguments/command.ts';
import { runAttached } from '../attach/attached-run.ts';
import { requireTerminal } from '../attach/require-terminal.ts';
import { proxySignals } from '../attach/signal-proxy.ts';
import { ExitError } from '../exit-error.ts';
import { describeError } from '../output/error-text.ts';
import { detachKeysFor } from '../registry/docker-config.ts';
import { parseDetachKeys } from '../terminal/detach-keys.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  flags: [
    { name: 'attach', short: 'a', kind: 'bool', help: 'Attach STDOUT/STDERR and forward signals' },
    { name: 'detach-keys', kind: 'string', help: 'Override the key sequence for detaching a container' },
    { name: 'interactive', short: 'i', kind: 'bool', help: "Attach container's STDIN" },
    { name: 'sig-proxy', kind: 'bool', default: true, help: 'Proxy received signals to the process' },
  ],
  args: { min: 1, max: anyNumber },
  completeArgs: 'container',
  unsupported: ['checkpoint', 'checkpoint-dir'],
  run: (context) =>
    context.flags.bool('attach') || context.flags.bool('interactive')
      ? startAttached(context)
      : startAll(context),
};

async function startAll({ args, client, out, err }: CommandContext): Promise<number> {
  const failed: string[] = [];
  for (const name of args) {
    try {
      await client.send('POST', `/containers/${encodeURIComponent(name)}/start`);
      await out.line(name);
    } catch (error) {
      await err.line(describeError(error));
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new ExitError(1, `Error: failed to start containers: ${failed.join(', ')}`);
  return 0;
}

async function startAttached({ args, client, flags, out, err, env }: CommandContext): Promise<number> {
  const [name = '', ...more] = args;
  if (more.length > 0) throw new ExitError(1, 'you cannot start and attach multiple containers at once');
  const detachKeys = detachKeysFor(flags.string('detach-keys'), env);
  parseDetachKeys(detachKeys);
  const container = await client.json<ContainerInspect>(
    'GET',
    `/containers/${encodeURIComponent(name)}/json`,
  );
  const tty = container.Config.Tty === true;
  const stdin = flags.bool('interactive') && container.Config.OpenStdin === true;
  requireTerminal(stdin, tty);
  const kill = (signal: string) =>
    client.send('POST', `/containers/${container.Id}/kill`, { query: { signal } });
  using listening = new DisposableStack();
  if (!tty && flags.bool('sig-proxy')) listening.use(proxySignals(kill));
  const autoRemove = container.HostConfig.AutoRemove === true;
  return await runAttached({
    client,
    id: container.Id,
    tty,
    stdin,
    stdout: true,
    stderr: true,
    autoRemove,
    detachKeys,
    out,
    err,
  });
}
