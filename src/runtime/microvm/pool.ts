import { setTimeout as delay } from 'node:timers/promises';
import type { GuestImage } from './guest-image.ts';
import type { GuestMachine } from './guest-machine.ts';
import { isMemoryLow } from './host-memory.ts';
import type { HostMemory } from './host-memory.ts';
import type { RuntimeContext } from './runtime-context.ts';

export interface PoolOptions {
  readonly target: number;
  /** Makes one that is ready to be taken. May take its time, and waits for quiet between its steps. */
  readonly make: (image: GuestImage, signal: AbortSignal) => Promise<GuestMachine>;
  readonly hostMemory: () => HostMemory;
  /** How often the host's memory is looked at while nothing else happens. */
  readonly checkEveryMs: number;
}

const firstRetryMs = 1000;
const lastRetryMs = 60_000;

/**
 * Running, unique machines of the default size that wait for a pod. Refilled one at a time whenever nobody is waiting for
 * something else; emptied when the host runs short of memory, or when the kernel was replaced.
 */
export class Pool implements AsyncDisposable {
  readonly #context: RuntimeContext;
  readonly #options: PoolOptions;
  readonly #stop = new AbortController();
  #ready: GuestMachine[] = [];
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #running: Promise<void> | undefined;

  constructor(context: RuntimeContext, options: PoolOptions) {
    this.#context = context;
    this.#options = options;
  }

  get target(): number {
    return this.#options.target;
  }

  get ready(): number {
    return this.#ready.length;
  }

  /** Names of the machines that wait. */
  machines(): readonly string[] {
    return this.#ready.map(({ machine }) => machine.id);
  }

  /** Begins to fill it; without this it stays empty. */
  start(): void {
    if (this.#options.target > 0) this.#running ??= this.#run();
  }

  /** One that waited, if there is one with this kernel. */
  take(kernelHash: string): GuestMachine | undefined {
    const index = this.#ready.findIndex(
      (guest) => !guest.isOver() && guest.parts.shape.kernel.hash === kernelHash,
    );
    const [taken] = index < 0 ? [] : this.#ready.splice(index, 1);
    this.#wake.resolve();
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    const left = this.#ready;
    this.#ready = [];
    await Promise.all(left.map((guest) => guest.destroy()));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let retryMs = firstRetryMs;
    while (!signal.aborted) {
      try {
        await this.#adjust(signal);
        retryMs = firstRetryMs;
        await this.#eventOr(this.#options.checkEveryMs);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#context.observer.warn('cannot fill the pool', error);
        await this.#pause(retryMs);
        retryMs = Math.min(lastRetryMs, retryMs * 2);
      }
    }
  }

  async #adjust(signal: AbortSignal): Promise<void> {
    for (;;) {
      const image = this.#context.images.current();
      await this.#dropStale(image.kernel.hash);
      if (isMemoryLow(this.#options.hostMemory())) {
        await this.#ready.pop()?.destroy();
        return;
      }
      if (this.#ready.length >= this.#options.target) return;
      await this.#context.activity.quiet(signal);
      const guest = await this.#options.make(image, signal);
      this.#ready.push(guest);
      void guest.gone.then(() => this.#lost(guest));
    }
  }

  async #dropStale(kernelHash: string): Promise<void> {
    const stale = this.#ready.filter((guest) => guest.parts.shape.kernel.hash !== kernelHash);
    this.#ready = this.#ready.filter((guest) => !stale.includes(guest));
    for (const guest of stale) await guest.destroy();
  }

  #lost(guest: GuestMachine): void {
    const before = this.#ready.length;
    this.#ready = this.#ready.filter((other) => other !== guest);
    if (this.#ready.length < before) this.#wake.resolve();
  }

  async #eventOr(timeoutMs: number): Promise<void> {
    const woken = new AbortController();
    void this.#wake.promise.then(() => woken.abort());
    await this.#pause(timeoutMs, AbortSignal.any([this.#stop.signal, woken.signal]));
    this.#wake = Promise.withResolvers();
  }

  async #pause(ms: number, signal: AbortSignal = this.#stop.signal): Promise<void> {
    try {
      await delay(ms, undefined, { signal, ref: false });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
