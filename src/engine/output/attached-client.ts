/**
 * One client that is attached to a process's output. What it has not taken yet stands in a queue; when that is full the
 * process is held back, as Docker does, and nothing is ever dropped while the client is there.
 */
import type { AttachStreams } from '../service.ts';
import type { OutputStream } from '../ports/log-store.ts';

/** More than this and the process has to wait. */
const queueLimitBytes = 1 << 20;

/** Opens once. */
type Gate = ReturnType<typeof Promise.withResolvers<undefined>>;

type Write = NonNullable<AttachStreams['write']>;

export class AttachedClient {
  readonly #write: Write;
  readonly #wants: Readonly<Record<OutputStream, boolean>>;
  readonly #done = Promise.withResolvers<undefined>();
  #queue: { readonly stream: OutputStream; readonly chunk: Buffer }[] = [];
  #queuedBytes = 0;
  #room: Gate | undefined;
  #holdsBack = true;
  #paused: boolean;
  #writing = false;
  #ending = false;
  #closed = false;

  /** `paused`: takes what comes into the queue until `release`, because something older is to be told first. */
  constructor(write: Write, wants: Readonly<Record<OutputStream, boolean>>, paused: boolean) {
    this.#write = write;
    this.#wants = wants;
    this.#paused = paused;
  }

  /** Resolves when all was delivered after `end`, or when it was closed or the client went away. Never rejects. */
  get done(): Promise<undefined> {
    return this.#done.promise;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A promise when the process has to wait until the client has taken some. */
  push(stream: OutputStream, chunk: Buffer): Promise<undefined> | undefined {
    if (this.#closed || !this.#wants[stream] || chunk.length === 0) return undefined;
    this.#queue.push({ stream, chunk });
    this.#queuedBytes += chunk.length;
    this.#pump();
    if (!this.#holdsBack || this.#queuedBytes <= queueLimitBytes) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Writes past the queue while it is paused: what was logged before. */
  async deliver(stream: OutputStream, chunk: Buffer): Promise<void> {
    if (this.#closed || !this.#wants[stream]) return;
    try {
      await this.#write(stream, chunk);
    } catch {
      this.close(); // the client is gone; that is its own business
    }
  }

  release(): void {
    this.#paused = false;
    this.#pump();
  }

  /** The process has ended: what the guest still holds is bounded, so nobody is made to wait for a slow client. */
  stopHoldingBack(): void {
    this.#holdsBack = false;
    this.#room?.resolve(undefined);
    this.#room = undefined;
  }

  /** No more will come; `done` resolves once the queue was delivered. */
  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** Stops delivering at once. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.stopHoldingBack();
    this.#done.resolve(undefined);
  }

  #pump(): void {
    if (this.#writing || this.#paused || this.#closed) return;
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      for (let index = 0; index < batch.length; index++) {
        const item = batch[index];
        if (item === undefined) continue;
        const pending = this.#writeNow(item.stream, item.chunk);
        if (pending !== undefined) {
          this.#queue = batch.slice(index + 1);
          this.#writing = true;
          void this.#continueAfter(pending, item.chunk.length);
          return;
        }
        if (this.#isClosed()) return;
        this.#taken(item.chunk.length);
      }
    }
    if (this.#ending) this.close();
  }

  async #continueAfter(pending: Promise<void>, bytes: number): Promise<void> {
    try {
      await pending;
    } catch {
      this.close(); // the client is gone; that is its own business
    }
    this.#writing = false;
    this.#taken(bytes);
    this.#pump();
  }

  #writeNow(stream: OutputStream, chunk: Buffer): Promise<void> | undefined {
    try {
      return this.#write(stream, chunk) ?? undefined;
    } catch {
      this.close(); // the client is gone; that is its own business
      return undefined;
    }
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  #taken(bytes: number): void {
    this.#queuedBytes -= bytes;
    if (this.#room === undefined || this.#queuedBytes > queueLimitBytes / 2) return;
    this.#room.resolve(undefined);
    this.#room = undefined;
  }
}
