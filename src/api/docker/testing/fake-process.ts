/** A process of the host's that stands for a container's, so that streams in the tests are real ones. */
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { AttachStreams } from '../../../engine/service.ts';

export class FakeProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number>;
  /** Output written to every sink, one after the other, each waited for. */
  readonly drained: Promise<void>;
  readonly #ended = new AbortController();
  readonly #sinks = new Set<NonNullable<AttachStreams['write']>>();

  constructor(args: readonly string[], sinks: readonly NonNullable<AttachStreams['write']>[]) {
    for (const sink of sinks) this.#sinks.add(sink);
    const [command = 'false', ...rest] = args;
    this.child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdin?.on('error', () => this.child.stdin?.destroy());
    const { promise, resolve } = Promise.withResolvers<number>();
    this.child.once('error', () => resolve(127));
    this.child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)));
    this.exited = promise;
    this.child.stdin?.once('close', () => this.#ended.abort());
    this.drained = Promise.all([
      this.#pump('stdout', this.child.stdout),
      this.#pump('stderr', this.child.stderr),
    ]).then(() => undefined);
  }

  add(sink: NonNullable<AttachStreams['write']>): void {
    this.#sinks.add(sink);
  }

  delete(sink: NonNullable<AttachStreams['write']>): void {
    this.#sinks.delete(sink);
  }

  /** Reads until the client's end of file, and passes that on. `stop` ends it without. */
  async feed(stdin: AsyncIterable<Uint8Array>, stop: () => boolean): Promise<void> {
    for await (const chunk of stdin) {
      if (this.child.stdin?.destroyed !== false) return;
      if (!this.child.stdin.write(chunk))
        await once(this.child.stdin, 'drain', { signal: this.#ended.signal }).catch(() => undefined);
    }
    if (!stop()) this.child.stdin?.end();
  }

  async #pump(stream: 'stdout' | 'stderr', source: Readable | null): Promise<void> {
    if (source === null) return;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      for (const sink of this.#sinks) {
        try {
          await sink(stream, chunk);
        } catch {
          this.#sinks.delete(sink); // its client has gone
        }
      }
    }
  }
}
