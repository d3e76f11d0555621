/** Carries one client's input to a process, no faster than the process reads. */
import type { SandboxProcess } from '../ports/pod-runtime.ts';

type Stop = 'process ended' | 'client left';

export class StdinPump {
  readonly #input: AsyncIterator<Uint8Array>;
  readonly #closes: boolean;
  #stop: Stop | undefined;
  #onStop: ((stop: Stop) => void) | undefined;
  /** Resolves when it carries no more. Never rejects. */
  readonly done: Promise<void>;

  /** Reads nothing before `started` says which process it is; undefined: there will be none. */
  constructor(
    input: AsyncIterable<Uint8Array>,
    closes: boolean,
    started: Promise<SandboxProcess | undefined>,
  ) {
    this.#input = input[Symbol.asyncIterator]();
    this.#closes = closes;
    this.done = this.#run(started);
  }

  /** Input is left where it is; that the client left is the end of the process's input, if the client had it. Idempotent. */
  stop(why: Stop): void {
    this.#stop ??= why;
    this.#onStop?.(this.#stop);
  }

  async #run(started: Promise<SandboxProcess | undefined>): Promise<void> {
    try {
      const process = await this.#orStopped(started);
      if (process === undefined || typeof process === 'string') return;
      const inputEnded = await this.#carry(process);
      if (inputEnded && this.#closes) await process.closeStdin();
    } catch {
      // Only closing can fail here: the process is gone, and its end is told by others.
    } finally {
      this.#letGo();
    }
  }

  /** False when the process ended or no longer reads. */
  async #carry(process: SandboxProcess): Promise<boolean> {
    for (;;) {
      const next = await this.#orStopped(this.#next());
      if (next === 'ended' || next === 'client left') return true;
      if (next === 'process ended') return false;
      try {
        await process.writeStdin(Buffer.from(next.buffer, next.byteOffset, next.byteLength));
      } catch {
        return false; // the process no longer reads
      }
    }
  }

  async #next(): Promise<Uint8Array | 'ended'> {
    try {
      const item = await this.#input.next();
      return item.done === true ? 'ended' : item.value;
    } catch {
      return 'ended'; // the connection broke: for the process that is the end of its input
    }
  }

  /** Not a race against one long-lived promise: that would keep something for every chunk that ever passed. */
  #orStopped<T>(work: Promise<T>): Promise<T | Stop> {
    return new Promise((resolve, reject) => {
      this.#onStop = resolve;
      if (this.#stop !== undefined) resolve(this.#stop);
      work.then(resolve, reject);
    });
  }

  /** Not awaited: an iterator that waits for its client answers only when the client does. */
  #letGo(): void {
    this.#input.return?.().catch(() => undefined);
  }
}
