/** `dvm` as a process of its own, for what only a process has: standard streams, signals, an exit code. */
import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const program = join(import.meta.dirname, '../main.ts');

export class CliProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  stdout = Buffer.alloc(0);
  stderr = '';
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;

  constructor(
    words: readonly string[],
    env: Readonly<Record<string, string>> = {},
    stdio: StdioOptions = 'pipe',
  ) {
    const base = { PATH: process.env['PATH'], HOME: '/nonexistent', TZ: 'UTC' };
    this.child = spawn(process.execPath, [program, ...words], { env: { ...base, ...env }, stdio });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout = Buffer.concat([this.stdout, chunk])));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.child.stdin?.on('error', () => undefined); // a client that ended reads no more
    this.exited = once(this.child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as string | null,
    }));
  }

  async code(): Promise<number | null> {
    return (await this.exited).code;
  }

  /** Resolves when stdout or stderr contains the text. */
  async shows(text: string): Promise<void> {
    const streams = [this.child.stdout, this.child.stderr];
    while (!this.stdout.includes(text) && !this.stderr.includes(text)) {
      await Promise.race([...streams.map((stream) => once(stream ?? this.child, 'data')), this.#ended(text)]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  async #ended(text: string): Promise<never> {
    const { code } = await this.exited;
    throw new Error(
      `ended with ${code ?? 'a signal'} before it showed ${JSON.stringify(text)}: ${this.stderr}`,
    );
  }
}
