import { EngineError } from '../errors/engine-error.ts';
import { limits } from '../guest-protocol/generated.ts';

export interface InputStreamOptions {
  /** The next byte the guest wants. */
  readonly offset: bigint;
  /** May be sent up to here. */
  readonly limit: bigint;
  /** Resolves when the channel has room for more. */
  readonly send: (offset: bigint, bytes: Uint8Array) => Promise<void> | undefined;
  readonly sendClose: (offset: bigint) => void;
}

/** The standard input of a process: as much as the guest grants, in the order of the calls. */
export class InputStream {
  readonly #options: InputStreamOptions;
  #sent: bigint;
  #limit: bigint;
  #failure: EngineError | undefined;
  /** The last call in line; the next one waits for it. */
  #line: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(options: InputStreamOptions) {
    this.#options = options;
    this.#sent = options.offset;
    this.#limit = options.limit;
  }

  /** Resolves when all of `chunk` has been sent within the guest's window; rejects when nobody reads it any more. */
  write(chunk: Uint8Array): Promise<void> {
    return this.#inLine(async () => {
      if (this.#closed) throw new EngineError('failed_precondition', 'the standard input was closed');
      await this.#sendAll(chunk);
    });
  }

  /** The process reads to the end of what was written and then meets the end. Idempotent. */
  close(): Promise<void> {
    return this.#inLine(() => {
      if (!this.#closed && this.#failure === undefined) this.#options.sendClose(this.#sent);
      this.#closed = true;
      return Promise.resolve();
    });
  }

  grant(limit: bigint): void {
    if (limit > this.#limit) this.#limit = limit;
    this.#wake?.();
  }

  /** The process, or the channel to it, no longer takes anything. */
  fail(failure: EngineError): void {
    this.#failure ??= failure;
    this.#wake?.();
  }

  #inLine(work: () => Promise<void>): Promise<void> {
    const mine = this.#line.then(work);
    this.#line = mine.then(
      () => undefined,
      () => undefined, // told to its own caller; the next in line finds out for itself
    );
    return mine;
  }

  async #sendAll(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#failure !== undefined) throw this.#failure;
      const room = this.#limit - this.#sent;
      if (room <= 0n) {
        await this.#woken();
        continue;
      }
      const length = Math.min(rest.length, limits.MAX_DATA, Number(room));
      const pending = this.#options.send(this.#sent, rest.subarray(0, length));
      this.#sent += BigInt(length);
      rest = rest.subarray(length);
      if (pending !== undefined) await pending;
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
