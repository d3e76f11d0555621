/**
 * A daemon of a test's own: the real `dvmd` of the checkout on directories and a socket of its own. Disposing it removes its
 * containers, stops it, and fails when a process of it is left.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { DvmCommand, type DvmOptions, type DvmResult } from './dvm-command.ts';

export const dvmdPath = join(import.meta.dirname, '../../bin/dvmd');

export interface DaemonOptions {
  /** Further flags of dvmd. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Not in /tmp, which is in memory on some hosts. */
const parentDirectory = '/var/tmp';

const stopTimeoutMs = 30_000;

export async function startDaemon(options: DaemonOptions = {}): Promise<TestDaemon> {
  const directory = await mkdtemp(join(parentDirectory, 'dvm-e2e-'));
  await chmod(directory, 0o711); // the VMMs, each a user of its own, pass through it
  const daemon = new TestDaemon(directory, options);
  try {
    await daemon.start();
    return daemon;
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

export class TestDaemon implements AsyncDisposable {
  readonly directory: string;
  readonly dataDirectory: string;
  readonly stateDirectory: string;
  readonly socket: string;
  readonly #command: DvmCommand;
  readonly #options: DaemonOptions;
  #child: ChildProcessByStdio<null, Readable, null> | undefined;

  constructor(directory: string, options: DaemonOptions) {
    this.directory = directory;
    this.dataDirectory = join(directory, 'data');
    this.stateDirectory = join(directory, 'state');
    this.socket = join(this.stateDirectory, 'dvm.sock');
    this.#command = new DvmCommand(this.socket);
    this.#options = options;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    assert.ok(pid !== undefined, 'the daemon runs');
    return pid;
  }

  /** `dvm` on this daemon, whatever its exit code; `new DvmCommand(daemon.socket)` does more. */
  dvm(args: readonly string[], options: DvmOptions = {}): Promise<DvmResult> {
    return this.#command.try(args, options);
  }

  /** Resolves when it serves; also after `kill` or `stop`. */
  async start(): Promise<void> {
    const args = ['--data-dir', this.dataDirectory, '--state-dir', this.stateDirectory];
    const child = spawn(dvmdPath, [...args, ...(this.#options.args ?? [])], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...this.#options.env },
    });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    const said: string[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    lines.on('line', (line) => {
      said.push(line);
      if (said.length > 50) said.shift();
      if (line.includes('"msg":"ready"')) resolve(undefined);
    });
    lines.once('close', () => reject(new Error(`dvmd ended:\n${said.join('\n')}`)));
    await promise;
  }

  /** SIGKILL, as by the kernel when memory is short. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM: the daemon goes, its pods stay. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child === undefined) await this.start();
    const ids = await this.#command.run(['ps', '-aq']);
    const containers = ids.split('\n').filter((id) => id !== '');
    if (containers.length > 0) await this.#command.run(['rm', '-f', ...containers]);
    await this.stop();
    await this.#assertNoProcessLeft();
    await rm(this.directory, { recursive: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(stopTimeoutMs) });
    child.kill(signal);
    await exited;
  }

  /** A VMM that was killed may take a moment to be gone. */
  async #assertNoProcessLeft(): Promise<void> {
    const deadline = performance.now() + 5000;
    for (;;) {
      const left = await processesNaming(this.directory);
      if (left.length === 0) return;
      assert.ok(performance.now() < deadline, `processes of the daemon are left:\n${left.join('\n')}`);
      await delay(50);
    }
  }
}

/** Command lines with this path in them, but this process's own. */
async function processesNaming(path: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const commands = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return `${pid} ${command.replaceAll('\0', ' ')}`;
    }),
  );
  return commands.filter((command) => command.includes(path));
}
