/** The real daemon of the checkout with directories of its own, and the proof that nothing of it stays behind. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { DvmCommand, type DvmOptions, type DvmResult } from './dvm-command.ts';
import { instanceOf } from '../../src/daemon/instance.ts';

export const dvmdPath = join(import.meta.dirname, '../../bin/dvmd');
/** Not in /tmp, which is in memory on some hosts. */
const parentDirectory = '/var/tmp';
/** A first start probes the accelerator and reads the kernel. */
const startTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;

export interface DaemonOptions {
  /** Further flags of dvmd. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A shell command that is run first, in a mount namespace of the daemon's own; $1 is the test's directory. */
  readonly mount?: string;
}

/** Starts a daemon; `await using` removes its containers, stops it, and fails when anything is left. */
export async function startDaemon(options: DaemonOptions = {}): Promise<TestDaemon> {
  const directory = await mkdtemp(join(parentDirectory, 'dvm-e2e-'));
  await chmod(directory, 0o711); // the VMMs, each a user of its own, pass through it
  const daemon = new TestDaemon(directory, options);
  try {
    await daemon.start();
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return daemon;
}

export class TestDaemon implements AsyncDisposable {
  readonly directory: string;
  readonly socket: string;
  readonly dataDirectory: string;
  readonly stateDirectory: string;
  readonly #options: DaemonOptions;
  #process: ChildProcessByStdio<null, null, Readable> | undefined;
  #log = '';

  constructor(directory: string, options: DaemonOptions) {
    this.directory = directory;
    this.dataDirectory = join(directory, 'data');
    this.stateDirectory = join(directory, 'state');
    this.socket = join(this.stateDirectory, 'dvm.sock');
    this.#options = options;
  }

  get pid(): number {
    const pid = this.#process?.pid;
    assert.ok(pid !== undefined, 'the daemon does not run');
    return pid;
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#log;
  }

  /** `dvm` on this daemon, whatever its exit code; `new DvmCommand(daemon.socket)` does more. */
  dvm(args: readonly string[], options: DvmOptions = {}): Promise<DvmResult> {
    return new DvmCommand(this.socket).try(args, options);
  }

  /** Resolves when it serves. Also for the second start, after `kill` or `stop`. */
  async start(): Promise<void> {
    const guest = process.env['DVM_TEST_GUEST_DIR'];
    const args = [
      ...['--data-dir', this.dataDirectory, '--state-dir', this.stateDirectory],
      ...(guest === undefined ? [] : ['--guest-dir', guest]),
      ...(this.#options.args ?? []),
    ];
    const { mount } = this.#options;
    const inNamespace = ['-c', `set -e; ${mount ?? ''}; shift; exec "$@"`, 'sh', this.directory, dvmdPath];
    const [program, before] =
      mount === undefined
        ? [dvmdPath, []]
        : ['unshare', ['--mount', '--propagation', 'private', 'sh', ...inNamespace]];
    const child = spawn(program, [...before, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...this.#options.env },
    });
    this.#process = child;
    const { promise: ready, resolve, reject } = Promise.withResolvers<undefined>();
    const said = { text: '' };
    child.stderr.on('data', (chunk: Buffer) => {
      said.text += chunk.toString();
      this.#log += chunk.toString();
      if (/"msg":"ready"/.test(said.text)) resolve(undefined);
    });
    child.once('exit', (code) => reject(new Error(`dvmd ended with ${code ?? 'a signal'}:\n${said.text}`)));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`dvmd is not ready after ${startTimeoutMs} ms:\n${said.text}`));
    }, startTimeoutMs);
    try {
      await ready;
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGKILL: what a crash leaves. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM: resolves when it has ended by itself; the pods run on. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    const code = await this.#end('SIGTERM');
    assert.equal(code, 0, `dvmd ended with ${code ?? 'a signal'} on SIGTERM:\n${this.#log}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isRunning) await this.start();
    await this.#removeContainers();
    await this.stop();
    const left = [...(await this.#processes()), ...(await this.#mounts()), ...(await this.#cgroups())];
    await rm(this.directory, { recursive: true, force: true });
    assert.deepEqual(left, [], `the daemon left something behind:\n${this.#log}`);
  }

  get #isRunning(): boolean {
    return (
      this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#process;
    if (child === undefined || !this.#isRunning) return null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const tooLong = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    const [code] = (await exited) as [number | null];
    clearTimeout(tooLong);
    return code;
  }

  async #removeContainers(): Promise<void> {
    const containers = JSON.parse(await this.#call('GET', '/containers/json?all=1')) as readonly {
      readonly Id: string;
    }[];
    await Promise.all(containers.map(({ Id }) => this.#call('DELETE', `/containers/${Id}?force=1&v=1`)));
  }

  #call(method: string, path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.socket, method, path }, (response) => {
        text(response).then(resolve, reject);
      });
      sent.once('error', reject);
      sent.end();
    });
  }

  /** Processes that name our directory in their arguments: VMMs. */
  async #processes(): Promise<string[]> {
    const found: string[] = [];
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
      // It may have ended since it was listed.
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (command.includes(this.directory))
        found.push(`process ${pid}: ${command.replaceAll('\0', ' ').slice(0, 200)}`);
    }
    return found;
  }

  async #mounts(): Promise<string[]> {
    const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n');
    return mounts.filter((line) => line.includes(this.directory)).map((line) => `mount ${line}`);
  }

  /** Groups of single machines; their parent stays for the next daemon. */
  async #cgroups(): Promise<string[]> {
    const { cgroupName } = instanceOf({ stateDirectory: this.stateDirectory, uids: undefined });
    const groups = await readdir('/sys/fs/cgroup', { recursive: true, withFileTypes: true });
    return groups
      .filter((entry) => entry.isDirectory() && entry.parentPath.endsWith(`/${cgroupName}`))
      .map((entry) => `cgroup ${entry.parentPath}/${entry.name}`);
  }
}
