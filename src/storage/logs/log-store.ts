/** All containers' logs, each in a directory named after its container. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogOptions } from '../../engine/model/container.ts';
import type { EngineObserver } from '../../engine/ports/observer.ts';
import type { ContainerLog, LogStore } from '../../engine/ports/log-store.ts';
import { FileLog } from './file-log.ts';

/** Together 192 MiB: no container fills the host's disk with its log. */
export const defaultMaxFileBytes = 64 << 20;
export const defaultMaxFiles = 3;

export interface LogStoreOptions {
  /** Made when it is missing. Nothing else may be in it. */
  readonly directory: string;
  readonly observer: EngineObserver;
  readonly maxFileBytes?: number;
  readonly maxFiles?: number;
}

export class FileLogStore implements LogStore {
  readonly #options: LogStoreOptions;

  constructor(options: LogStoreOptions) {
    this.#options = options;
  }

  pathOf(containerId: string, options: LogOptions): string {
    return options.driver === 'none' ? '' : join(this.#options.directory, containerId);
  }

  open(containerId: string, options: LogOptions): ContainerLog | undefined {
    if (options.driver === 'none') return undefined;
    const { observer, maxFileBytes, maxFiles } = this.#options;
    return new FileLog({
      directory: this.pathOf(containerId, options),
      maxFileBytes: options.maxSizeBytes ?? maxFileBytes ?? defaultMaxFileBytes,
      maxFiles: Math.max(1, options.maxFiles ?? maxFiles ?? defaultMaxFiles),
      onFailure: (error) =>
        observer.warn(`cannot write the log of container ${containerId}; what it prints is left out`, error),
    });
  }

  async remove(containerId: string): Promise<void> {
    await rm(join(this.#options.directory, containerId), { recursive: true, force: true });
  }

  async removeStrays(known: ReadonlySet<string>): Promise<void> {
    await mkdir(this.#options.directory, { recursive: true, mode: 0o711 });
    for (const name of await readdir(this.#options.directory)) if (!known.has(name)) await this.remove(name);
  }
}
