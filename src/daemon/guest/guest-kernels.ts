/**
 * Which kernel pods boot: the user's own where one is configured, else the trimmed one as soon as it is built, until then
 * the distribution's. Looks when the directory changes, never by the clock.
 */
import { existsSync, statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import type { GuestImage, GuestImages } from '../../runtime/microvm/guest-image.ts';
import { readGuestImage, readKernelRelease } from '../../runtime/microvm/guest-image.ts';
import type { GuestFiles } from './guest-files.ts';

export interface GuestKernelsOptions {
  readonly files: GuestFiles;
  /** Configured: no other is used then. */
  readonly kernelPath: string | undefined;
  /** The initramfs for a kernel: with its modules, where it has some. */
  readonly initramfsFor: (kernelPath: string, release: string, signal: AbortSignal) => Promise<string>;
  /** The trimmed kernel is there now. */
  readonly switched: (image: GuestImage) => void;
  readonly warn: (message: string, cause: unknown) => void;
}

interface Choice {
  readonly image: GuestImage;
  readonly reason: string;
}

export class GuestKernels implements GuestImages, Disposable {
  readonly #options: GuestKernelsOptions;
  readonly #closing = new AbortController();
  /** By path and what tells that the file is still the same. */
  readonly #custom = new Map<string, Promise<GuestImage>>();
  #choice: Choice;
  #watcher: FSWatcher | undefined;
  #looking = false;
  #lookAgain = false;

  private constructor(options: GuestKernelsOptions, choice: Choice) {
    this.#options = options;
    this.#choice = choice;
  }

  /** Throws `not_found` when there is no kernel at all. */
  static async open(options: GuestKernelsOptions, signal: AbortSignal): Promise<GuestKernels> {
    const { files, kernelPath } = options;
    const trimmed = existsSync(files.trimmedKernelPath);
    const kernels = new GuestKernels(options, await choose(options, trimmed, signal));
    if (kernelPath === undefined && !trimmed) kernels.#watch();
    return kernels;
  }

  current(): GuestImage {
    return this.#choice.image;
  }

  /** For people: why pods boot this one. */
  get reason(): string {
    return this.#choice.reason;
  }

  custom(kernelPath: string, signal: AbortSignal): Promise<GuestImage> {
    const key = `${kernelPath} ${identityOf(kernelPath)}`;
    const known = this.#custom.get(key);
    if (known !== undefined) return known;
    const reading = load(this.#options, kernelPath, 'custom', signal);
    this.#custom.set(key, reading);
    reading.catch(() => this.#custom.delete(key)); // whoever asked is told
    return reading;
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#watcher?.close();
  }

  #watch(): void {
    const { files, warn } = this.#options;
    this.#watcher = watch(files.directory, () => void this.#look());
    this.#watcher.on('error', (error) =>
      warn(`cannot watch ${files.directory} for the trimmed kernel`, error),
    );
    void this.#look(); // it may have come between the choice and the watch
  }

  async #look(): Promise<void> {
    this.#lookAgain = true;
    if (this.#looking) return;
    this.#looking = true;
    while (this.#lookAgain && !this.#closing.signal.aborted) {
      this.#lookAgain = false;
      await this.#switchIfBuilt();
    }
    this.#looking = false;
  }

  async #switchIfBuilt(): Promise<void> {
    const { files, switched, warn } = this.#options;
    if (!existsSync(files.trimmedKernelPath)) return;
    try {
      this.#choice = await choose(this.#options, true, this.#closing.signal);
      this.#watcher?.close();
      switched(this.#choice.image);
    } catch (error) {
      if (!this.#closing.signal.aborted)
        warn(`cannot use the trimmed kernel ${files.trimmedKernelPath}`, error);
    }
  }
}

async function choose(options: GuestKernelsOptions, trimmed: boolean, signal: AbortSignal): Promise<Choice> {
  const { files, kernelPath } = options;
  if (kernelPath !== undefined)
    return {
      image: await load(options, kernelPath, 'custom', signal),
      reason: 'the daemon was started with --kernel',
    };
  if (trimmed)
    return {
      image: await load(options, files.trimmedKernelPath, 'trimmed', signal),
      reason: 'the trimmed kernel is built',
    };
  if (!existsSync(files.stockKernelPath))
    throw new EngineError(
      'not_found',
      `there is no guest kernel in ${files.directory}: run "make kernels", or name one with --kernel`,
    );
  return {
    image: await load(options, files.stockKernelPath, 'stock', signal),
    reason: 'the trimmed kernel is not built yet; it is used as soon as it is',
  };
}

async function load(
  { initramfsFor }: GuestKernelsOptions,
  kernelPath: string,
  kind: GuestImage['kernel']['kind'],
  signal: AbortSignal,
): Promise<GuestImage> {
  const release = await readKernelRelease(kernelPath);
  return await readGuestImage(kernelPath, await initramfsFor(kernelPath, release, signal), kind, signal);
}

/** Changes when the file does. A file that is not there is reported by whoever reads it. */
function identityOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 'none' : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`;
}
