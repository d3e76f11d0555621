/** A daemon of this checkout's or installation's, in a session of its own. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EngineError } from '../../errors/engine-error.ts';
import type { StartDaemonOptions } from './start-options.ts';
import { waitForSocket } from './wait-for-socket.ts';
import type { SocketWait } from './wait-for-socket.ts';

const deadlineMs = 60_000;
const tailBytes = 2000;

export interface SpawnedDaemon {
  readonly pid: number;
  readonly logPath: string;
}

/** Resolves when it answers. */
export async function spawnDaemon(options: StartDaemonOptions): Promise<SpawnedDaemon> {
  const { endpoint, dataDirectory, stateDirectory } = options;
  const program = options.program ?? findDaemon(process.argv[1] ?? '');
  const logDirectory = stateDirectory ?? dirname(endpoint.socketPath);
  const logPath = join(logDirectory, 'dvmd.log');
  const log = openLog(logDirectory, logPath, endpoint.socketPath, options.cause);
  const args = [
    '--socket',
    endpoint.socketPath,
    ...(dataDirectory === undefined ? [] : ['--data-dir', dataDirectory]),
    ...(stateDirectory === undefined ? [] : ['--state-dir', stateDirectory]),
  ];
  using waiting = waitForSocket(endpoint.socketPath, deadlineMs);
  const child = spawn(program, args, { detached: true, cwd: '/', stdio: ['ignore', log, log] });
  closeSync(log);
  await Promise.race([waiting.answered, failureOf(child, program, endpoint.socketPath, logPath, waiting)]);
  child.unref();
  return { pid: child.pid ?? 0, logPath };
}

/** Rejects when the daemon ends before it answers, unless that was because somebody else has started one just now. */
async function failureOf(
  child: ChildProcess,
  program: string,
  socketPath: string,
  logPath: string,
  waiting: SocketWait,
): Promise<unknown> {
  const how = await new Promise<string>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new EngineError('unavailable', `cannot start ${program}: ${cause.message}`, { cause }));
    });
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `with code ${code ?? 1}` : `by ${signal}`),
    );
  });
  const tail = tailOf(logPath);
  if (tail.includes('another daemon')) return await waiting.answered;
  const what = `the DVM daemon ended ${how} before it answered on ${socketPath}`;
  throw new EngineError('unavailable', `${what}. The end of ${logPath}:\n${tail}`);
}

/** Beside this program: in a checkout, bundled or not, and where it was installed. */
export function findDaemon(clientScript: string): string {
  const here = dirname(clientScript);
  const candidates = [join(here, '../bin/dvmd'), join(here, '../../bin/dvmd'), join(here, 'dvmd')];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new EngineError(
    'unavailable',
    `no DVM daemon runs and dvmd is not beside ${clientScript}: reinstall DVM, or start dvmd yourself`,
  );
}

function openLog(directory: string, path: string, socketPath: string, cause: Error): number {
  try {
    mkdirSync(directory, { recursive: true });
    mkdirSync(dirname(socketPath), { recursive: true });
    return openSync(path, 'a', 0o640);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    throw new EngineError(
      'permission_denied',
      `no DVM daemon answers on unix://${socketPath} (${cause.message}), and this user may not start one: use sudo, or have root run "systemctl start dvm"`,
      { cause: error },
    );
  }
}

function tailOf(path: string): string {
  return readFileSync(path).subarray(-tailBytes).toString().trim();
}
