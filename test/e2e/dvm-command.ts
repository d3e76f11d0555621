/** Runs the real `dvm` of the checkout against one daemon, as a user would. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import assert from 'node:assert/strict';

export const dvmPath = join(import.meta.dirname, '../../bin/dvm');

export interface DvmResult {
  /** The exit code, or what Docker makes of a signal: 128 + its number is not used here, a signal is -1. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DvmOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  /** After this the command is killed and the test fails. */
  readonly timeoutMs?: number;
}

/** One daemon's `dvm`. */
export class DvmCommand {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** The running command, all its streams pipes. */
  spawn(
    args: readonly string[],
    options: DvmOptions = {},
  ): ChildProcessByStdio<Writable, Readable, Readable> {
    return spawn(dvmPath, ['--socket', this.#socket, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      timeout: options.timeoutMs ?? 120_000,
      killSignal: 'SIGKILL',
    });
  }

  /** Runs it to its end, whatever the exit code. */
  async try(args: readonly string[], options: DvmOptions = {}): Promise<DvmResult> {
    const child = this.spawn(args, options);
    // A command that ends without reading its input is no failure of the test's.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const [[code, signal], stdout, stderr] = await Promise.all([
      exited,
      text(child.stdout),
      text(child.stderr),
    ]);
    assert.notEqual(signal, 'SIGKILL', `dvm ${args.join(' ')} did not end in time\n${stdout}\n${stderr}`);
    return { code: code ?? -1, stdout, stderr };
  }

  /** Runs it, requires success, and returns its standard output. */
  async run(args: readonly string[], options: DvmOptions = {}): Promise<string> {
    const result = await this.try(args, options);
    assert.equal(result.code, 0, `dvm ${args.join(' ')}: exit code ${result.code}\n${result.stderr}`);
    return result.stdout;
  }

  /** As `run`, of a command whose output is bytes. */
  async bytes(args: readonly string[]): Promise<Buffer> {
    const child = this.spawn(args);
    child.stdin.end();
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const [[code], stdout, stderr] = await Promise.all([exited, buffer(child.stdout), text(child.stderr)]);
    assert.equal(code, 0, `dvm ${args.join(' ')}: exit code ${code ?? 'none'}\n${stderr}`);
    return stdout;
  }
}
