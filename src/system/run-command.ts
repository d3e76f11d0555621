/** Runs a helper program to its end: bounded output, a deadline, nothing inherited but what is named. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { EngineError } from '../errors/engine-error.ts';
import { OutputTail } from './output-tail.ts';
import { reasonOf, withDeadline } from './deadline.ts';

export interface RunCommandOptions {
  readonly signal?: AbortSignal;
  /** 60 s by default. The command is killed (SIGKILL) when it or the signal fires. */
  readonly timeoutMs?: number;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** The whole environment; by default only PATH and LC_ALL=C, so that output can be parsed. */
  readonly env?: Readonly<Record<string, string>>;
  /** More standard output than this is an error; 1 MiB by default. */
  readonly maxOutputBytes?: number;
  /** Exit codes that are not failures; [0] by default. */
  readonly acceptedExitCodes?: readonly number[];
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** At most the last 16 KiB. */
  readonly stderr: string;
}

const stderrTailBytes = 16 << 10;

/**
 * Resolves when the command has ended with an accepted exit code. Rejects with EngineError: `not_found` when there is
 * no such program, `internal` for another exit code or a signal (with the tail of its standard error),
 * `resource_exhausted` when it says too much, `deadline_exceeded`; or with the signal's reason.
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: RunCommandOptions = {},
): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  using deadline = withDeadline(options.signal, options.timeoutMs ?? 60_000, `"${file}" to end`);
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env ?? { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let failure: Error | undefined;
  const stop = (reason: Error) => {
    failure ??= reason;
    child.kill('SIGKILL');
  };
  const onAbort = () => stop(reasonOf(deadline.signal));
  deadline.signal.addEventListener('abort', onAbort, { once: true });
  child.stdin.on('error', () => child.stdin.destroy()); // it need not read all of its input; its exit code tells
  child.stdin.end(options.input);
  const stderr = new OutputTail(stderrTailBytes);
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const stdout = collect(child.stdout, options.maxOutputBytes ?? 1 << 20, () => {
    stop(
      new EngineError(
        'resource_exhausted',
        `"${file}" printed more than ${options.maxOutputBytes ?? 1 << 20} bytes`,
      ),
    );
  });
  const { promise, resolve, reject } = Promise.withResolvers<{
    code: number | null;
    signal: string | null;
  }>();
  child.once('error', reject);
  child.once('close', (code, signal) => resolve({ code, signal }));
  try {
    const { code, signal } = await promise;
    if (failure !== undefined) throw failure;
    if (code === null || !(options.acceptedExitCodes ?? [0]).includes(code)) {
      throw failedCommand(
        file,
        args,
        code === null ? `was ended by ${signal}` : `exit code ${code}`,
        stderr.text(),
      );
    }
    return { exitCode: code, stdout: Buffer.concat(stdout), stderr: stderr.text() };
  } catch (error) {
    throw startFailure(file, error);
  } finally {
    deadline.signal.removeEventListener('abort', onAbort);
  }
}

function collect(stream: Readable, limit: number, tooMuch: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > limit) tooMuch();
    else chunks.push(chunk);
  });
  return chunks;
}

function failedCommand(file: string, args: readonly string[], how: string, stderr: string): EngineError {
  const said = stderr.trim();
  return new EngineError('internal', `${[file, ...args].join(' ')}: ${how}${said === '' ? '' : `: ${said}`}`);
}

function startFailure(file: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT')
    return new EngineError('not_found', `cannot run "${file}": no such program`, { cause: error });
  if (code === 'EACCES')
    return new EngineError('permission_denied', `cannot run "${file}": not executable`, { cause: error });
  return error;
}
