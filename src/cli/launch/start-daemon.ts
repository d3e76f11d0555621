/** Nobody has to know about the daemon: a client that finds none starts one, and says so in one line. */
import { existsSync } from 'node:fs';
import { defaultSocketPath } from '../../client/endpoint.ts';
import { spawnDaemon } from './spawn-daemon.ts';
import type { StartDaemonOptions } from './start-options.ts';
import { startSystemdUnit } from './systemd-unit.ts';

const unitDirectories = [
  '/etc/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

/** Resolves when the socket answers. Throws `unavailable` or `permission_denied` when no daemon could be started. */
export async function startDaemon(options: StartDaemonOptions): Promise<void> {
  const { endpoint, dataDirectory, stateDirectory, err } = options;
  const standard =
    endpoint.socketPath === defaultSocketPath && dataDirectory === undefined && stateDirectory === undefined;
  if (
    standard &&
    existsSync('/run/systemd/system') &&
    unitDirectories.some((directory) => existsSync(`${directory}/dvm.service`))
  ) {
    await startSystemdUnit(endpoint);
    await err.line('dvm: started the daemon (systemctl start dvm)');
    return;
  }
  const { pid, logPath } = await spawnDaemon(options);
  await err.line(`dvm: started the daemon (process ${pid}, its log is ${logPath})`);
}
