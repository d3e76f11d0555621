/** An image store of its own for a test, in a directory of its own, impatient. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageProgress } from '../../src/engine/ports/images.ts';
import { EngineError, type ErrorCode } from '../../src/errors/engine-error.ts';
import { openImageStore, type ImageStoreOptions, type OpenImageStore } from '../../src/image/image-store.ts';
import { registryImage, tarOf, type RegistryImage } from '../e2e/crafted-image.ts';

export interface StoreFixture extends AsyncDisposable {
  readonly store: OpenImageStore;
  readonly directory: string;
  readonly options: ImageStoreOptions;
  /** Closes the store and opens it again, as a new daemon would. */
  reopen(): Promise<OpenImageStore>;
  /** Files below the data directory, without the database's. */
  files(): Promise<readonly string[]>;
}

export async function openStore(options: Partial<ImageStoreOptions> = {}): Promise<StoreFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-images-'));
  const all: ImageStoreOptions = {
    dataDir: directory,
    registries: { mirrors: {}, insecure: [] },
    hostPlatform: 'linux/amd64',
    retry: { attempts: 3, firstDelayMs: 1, longestDelayMs: 50 },
    httpTimeouts: { responseMs: 5000, idleMs: 500 },
    dockerConfigPath: join(directory, 'no-docker-config.json'),
    ...options,
  };
  const fixture = {
    directory,
    options: all,
    store: openImageStore(all),
    async reopen() {
      await fixture.store[Symbol.asyncDispose]();
      fixture.store = openImageStore(all);
      return fixture.store;
    },
    async files() {
      const entries = await readdir(directory, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() && !entry.name.startsWith('images.db'))
        .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
        .sort();
    },
    async [Symbol.asyncDispose]() {
      await fixture.store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return fixture;
}

export const patience = (): AbortSignal => AbortSignal.timeout(30_000);
export const nobody = (): undefined => undefined;

export function recorder(): {
  readonly seen: ImageProgress[];
  readonly report: (progress: ImageProgress) => void;
} {
  const seen: ImageProgress[] = [];
  return { seen, report: (progress) => seen.push(progress) };
}

/** For assert.rejects and assert.throws. */
export function failure(code: ErrorCode, ...messages: readonly RegExp[]): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof EngineError)) throw new Error('not an EngineError', { cause: error });
    const wrong = error.code !== code || messages.some((message) => !message.test(error.message));
    if (wrong)
      throw new Error(`wanted ${code} ${messages.join(' ')}, got ${error.code}: ${error.message}`, {
        cause: error,
      });
    return true;
  };
}

/** An image whose layers gzip cannot shrink. */
export function bulkyImage(layers: number, bytes: number): RegistryImage {
  return registryImage({
    layers: Array.from({ length: layers }, (_, i) =>
      tarOf([{ name: `file-${i}`, content: randomBytes(bytes) }]),
    ),
  });
}

/** Digests of an image's layers, as its manifest has them. */
export function layerDigests(image: RegistryImage): readonly string[] {
  return [...image.blobs.keys()].slice(1);
}
