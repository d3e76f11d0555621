import type { OutputSink } from '../engine/ports/pod-runtime.ts';
import { protocolError } from '../guest-protocol/bytes.ts';
import { limits } from '../guest-protocol/generated.ts';
import { ChunkQueue } from './chunk-queue.ts';

const windowBytes = BigInt(limits.STREAM_WINDOW);
/** So many bytes taken since the last one are worth a `window` frame: few frames, and the sender never starves. */
const acknowledgeEvery = windowBytes / 4n;

export interface OutputStreamOptions {
  readonly name: 'stdout' | 'stderr';
  readonly sink: OutputSink;
  /** The first byte that is wanted. */
  readonly offset: bigint;
  readonly sendWindow: (acked: bigint, limit: bigint) => void;
  /** The sink threw. Its bytes count as taken: a log that cannot be written must not stop the process for ever. */
  readonly sinkFailed: (error: unknown) => void;
}

/**
 * One output stream of a process, on its way from the guest to the sink: in order, one `write` at a time. What the sink
 * has not taken yet waits here, never more than the window that was granted.
 */
export class OutputStream {
  readonly #options: OutputStreamOptions;
  #sink: OutputSink;
  readonly #queue = new ChunkQueue();
  readonly #drained: PromiseWithResolvers<void> = Promise.withResolvers();
  #received: bigint;
  #taken: bigint;
  #acknowledged: bigint;
  #writing = false;
  #end: bigint | undefined;
  #finished = false;

  constructor(options: OutputStreamOptions) {
    this.#options = options;
    this.#sink = options.sink;
    this.#received = this.#taken = this.#acknowledged = options.offset;
  }

  /** Resolves when the stream has ended and the sink took every byte. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** The next byte that is wanted. */
  get offset(): bigint {
    return this.#received;
  }

  get limit(): bigint {
    return this.#acknowledged + windowBytes;
  }

  /** A data frame. `bytes` may be a view; it must not change afterwards. */
  receive(offset: bigint, bytes: Buffer): void {
    const { name } = this.#options;
    if (offset !== this.#received) {
      throw protocolError(`${name} at offset ${String(offset)} where ${String(this.#received)} comes next`);
    }
    if (this.#end !== undefined) throw protocolError(`${name} goes on behind its end`);
    const end = offset + BigInt(bytes.length);
    if (end > this.limit) throw protocolError(`${name} beyond its window`);
    this.#received = end;
    if (bytes.length === 0) return;
    if (this.#writing) this.#queue.push(bytes);
    else this.#write(bytes);
  }

  /** The guest says that the stream has ended, and how long it is. May be said twice: the second time after a resume. */
  close(end: bigint): void {
    if (this.#end === end) return;
    if (this.#end !== undefined || end !== this.#received) {
      throw protocolError(
        `${this.#options.name} ends at ${String(end)} after ${String(this.#received)} bytes`,
      );
    }
    this.#end = end;
    this.#finishIfDone();
  }

  /** What comes from now on is dropped. */
  discard(): void {
    this.#sink = { write: () => undefined, close: () => undefined };
  }

  /** Nothing more will come because the channel is gone; what is here is still handed over. */
  cut(): void {
    this.#end ??= this.#received;
    this.#finishIfDone();
  }

  #write(bytes: Buffer): void {
    const pending = this.#offer(bytes);
    if (pending === undefined) {
      this.#took(bytes.length);
      return;
    }
    this.#writing = true;
    void pending
      .catch((error: unknown) => this.#options.sinkFailed(error))
      .then(() => {
        this.#writing = false;
        this.#took(bytes.length);
        this.#writeQueued();
      });
  }

  #offer(bytes: Buffer): Promise<void> | undefined {
    try {
      const pending = this.#sink.write(this.#options.name, this.#taken, bytes);
      return pending instanceof Promise ? pending : undefined;
    } catch (error) {
      this.#options.sinkFailed(error);
      return undefined;
    }
  }

  #writeQueued(): void {
    while (!this.#writing) {
      const bytes = this.#queue.shift();
      if (bytes === undefined) return;
      this.#write(bytes);
    }
  }

  #took(length: number): void {
    this.#taken += BigInt(length);
    if (this.#end === undefined && this.#taken - this.#acknowledged >= acknowledgeEvery) {
      this.#acknowledged = this.#taken;
      this.#options.sendWindow(this.#taken, this.limit);
    }
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#finished || this.#end === undefined || this.#taken < this.#end) return;
    this.#finished = true;
    try {
      this.#sink.close(this.#options.name);
    } catch (error) {
      this.#options.sinkFailed(error);
    }
    this.#drained.resolve();
  }
}
