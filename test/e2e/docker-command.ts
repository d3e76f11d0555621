/** Runs the real `docker` command-line client against one daemon. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** Why the tests cannot run here, for their `skip`; false when they can. Debian 12 has no client that is new enough. */
export function dockerMissing(): string | false {
  const { error, stdout } = spawnSync('docker', ['--version'], { encoding: 'utf8' });
  if (error !== undefined) return 'NOT TESTED: there is no docker client on the PATH';
  const major = Number(/Docker version (\d+)\./.exec(stdout)?.[1] ?? 0);
  return major >= 23 ? false : 'NOT TESTED: there is no docker client of version 23 or newer on the PATH';
}

export interface DockerResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class DockerCommand {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** All streams are pipes. It is killed when it takes longer than `timeoutMs`. */
  spawn(args: readonly string[], timeoutMs = 120_000): ChildProcessByStdio<Writable, Readable, Readable> {
    return spawn('docker', ['-H', `unix://${this.#socket}`, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
  }

  /** Runs it to its end, whatever the exit code. */
  async try(args: readonly string[], input: string | Buffer = ''): Promise<DockerResult> {
    const child = this.spawn(args);
    // A command that ends without reading its input is no failure of the test's.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const [[code, signal], stdout, stderr] = await Promise.all([
      exited,
      text(child.stdout),
      text(child.stderr),
    ]);
    assert.notEqual(signal, 'SIGKILL', `docker ${args.join(' ')} did not end in time\n${stdout}\n${stderr}`);
    return { code: code ?? -1, stdout, stderr };
  }

  /** Runs it, requires success, and returns its standard output. */
  async run(args: readonly string[], input: string | Buffer = ''): Promise<string> {
    const { code, stdout, stderr } = await this.try(args, input);
    assert.equal(code, 0, `docker ${args.join(' ')}: exit code ${code}\n${stderr}`);
    return stdout;
  }
}
