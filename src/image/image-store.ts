/** The image store: SQLite for what is known, EROFS files for layers, registries and archives as sources. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type {
  Image,
  ImageFilter,
  ImageProgress,
  ImageStore,
  ImportRequest,
  PullRequest,
  RemovedImage,
} from '../engine/ports/images.ts';
import type { LayerFile } from '../engine/ports/pod-runtime.ts';
import { EngineError } from '../errors/engine-error.ts';
import { hostPlatform as platformOf, parsePlatform, type Platform } from '../oci/platform.ts';
import { isTagged, parseReference, withDefaultTag } from '../oci/reference.ts';
import { KeyedLock } from '../system/keyed-lock.ts';
import { abortable } from './abortable-source.ts';
import { importImage } from './import.ts';
import { defaultLayerLimits, type LayerLimits } from './layer/layer-limits.ts';
import { loadImages } from './load/load.ts';
import { pullImages, type Puller } from './pull.ts';
import { defaultRetryPolicy, type RetryPolicy } from './registry/backoff.ts';
import { CredentialFile } from './registry/credentials.ts';
import { defaultHttpTimeouts, HttpClient, type HttpTimeouts } from './registry/http-client.ts';
import type { RegistriesConfig } from './registry/registry-config.ts';
import { SharedWork } from './shared-work.ts';
import { Slots } from './slots.ts';
import { openDatabase } from './store/database.ts';
import { StoreDirectories } from './store/directories.ts';
import { filterImages } from './store/image-filter.ts';
import { ImageFinder } from './store/image-finder.ts';
import { ImageRecords } from './store/image-records.ts';
import { LayerRecords } from './store/layer-records.ts';
import { LayerStore } from './store/layer-store.ts';
import { ImageRemover, type RemoveOptions } from './store/remove-image.ts';
import { repositoryOf, shortRepository } from './store/repository.ts';

export interface ImageStoreOptions {
  readonly dataDir: string;
  readonly registries: RegistriesConfig;
  /** os/arch[/variant] that `pull` chooses by default; this host's when absent. */
  readonly hostPlatform?: string;
  readonly limits?: Partial<LayerLimits>;
  /** Layers downloaded and converted at once, over all pulls; Docker's 3 by default. */
  readonly concurrentLayers?: number;
  readonly retry?: RetryPolicy;
  readonly httpTimeouts?: HttpTimeouts;
  /** `~/.docker/config.json` of the daemon's user by default. */
  readonly dockerConfigPath?: string;
  /** For proxies and credential helpers; the daemon's own by default. */
  readonly environment?: NodeJS.ProcessEnv;
}

export interface OpenImageStore extends ImageStore, AsyncDisposable {}

/** Throws `failed_precondition` when the data directory belongs to a newer version or a running daemon. */
export function openImageStore(options: ImageStoreOptions): OpenImageStore {
  const directories = new StoreDirectories(options.dataDir);
  directories.make();
  return new SqliteImageStore(openDatabase(directories.database), directories, options);
}

class SqliteImageStore implements OpenImageStore {
  readonly #database: DatabaseSync;
  readonly #records: ImageRecords;
  readonly #layerRecords: LayerRecords;
  readonly #layers: LayerStore;
  readonly #finder: ImageFinder;
  readonly #remover: ImageRemover;
  readonly #puller: Puller;
  readonly #http: HttpClient;
  /** Ends what is under way when the store is closed. */
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(database: DatabaseSync, directories: StoreDirectories, options: ImageStoreOptions) {
    const environment = options.environment ?? process.env;
    const platform: Platform =
      options.hostPlatform === undefined
        ? platformOf('linux', process.arch)
        : parsePlatform(options.hostPlatform);
    this.#database = database;
    this.#records = new ImageRecords(database, shortRepository);
    this.#layerRecords = new LayerRecords(database);
    this.#layers = new LayerStore(directories, this.#layerRecords, {
      ...defaultLayerLimits,
      ...options.limits,
    });
    this.#finder = new ImageFinder(this.#records);
    this.#remover = new ImageRemover(database, this.#records, this.#finder, this.#layers);
    this.#http = new HttpClient(environment, options.httpTimeouts ?? defaultHttpTimeouts);
    this.#puller = {
      records: this.#records,
      layers: this.#layers,
      directories,
      http: this.#http,
      registries: options.registries,
      credentialFile: new CredentialFile(
        options.dockerConfigPath ?? join(homedir(), '.docker', 'config.json'),
        environment,
      ),
      hostPlatform: platform,
      slots: new Slots(options.concurrentLayers ?? 3),
      shared: new SharedWork<ImageProgress>(),
      spoolLocks: new KeyedLock(),
      retry: options.retry ?? defaultRetryPolicy,
    };
  }

  get(nameOrId: string): Image {
    return this.#records.get(this.#finder.find(nameOrId).id);
  }

  list(filter: ImageFilter): readonly Image[] {
    const images = this.#records.ids().map((id) => this.#records.get(id));
    return filterImages(images, filter, (name) => this.get(name));
  }

  pull(
    request: PullRequest,
    progress: (p: ImageProgress) => void,
    signal: AbortSignal,
  ): Promise<readonly Image[]> {
    return this.#run((either) => pullImages(this.#puller, request, progress, either), signal);
  }

  load(
    tar: AsyncIterable<Uint8Array>,
    progress: (p: ImageProgress) => void,
    signal: AbortSignal,
  ): Promise<readonly Image[]> {
    return this.#run((either) => loadImages(this.#puller, abortable(tar, either), progress, either), signal);
  }

  import(tar: AsyncIterable<Uint8Array>, request: ImportRequest, signal: AbortSignal): Promise<Image> {
    return this.#run((either) => importImage(this.#puller, abortable(tar, either), request, either), signal);
  }

  tag(source: string, target: string): void {
    const reference = withDefaultTag(parseReference(target));
    if (reference.digest !== undefined || !isTagged(reference)) {
      throw new EngineError(
        'invalid_argument',
        `cannot tag as "${target}": refusing to create a tag with a digest reference`,
      );
    }
    const { id } = this.#finder.find(source);
    this.#records.setTag({ repository: repositoryOf(reference), tag: reference.tag }, id, new Date());
  }

  remove(nameOrId: string, options: RemoveOptions): Promise<readonly RemovedImage[]> {
    return this.#remover.remove(nameOrId, options);
  }

  async prune(
    filter: ImageFilter,
    inUse: (imageId: string) => string | undefined,
  ): Promise<{ removed: readonly RemovedImage[]; reclaimedBytes: number }> {
    const { removed, reclaimedBytes } = await this.#remover.prune(filter, inUse);
    const partialBytes = await this.#layers.removePartials(Date.now(), (digest) =>
      this.#puller.spoolLocks.isHeld(digest),
    );
    return { removed, reclaimedBytes: reclaimedBytes + partialBytes };
  }

  hold(owner: string, imageId: string): readonly LayerFile[] {
    const { id } = this.#finder.find(imageId);
    const diffIds = this.#layerRecords.ofImage(id);
    const files = this.#layers.files(diffIds);
    this.#layerRecords.hold(owner, diffIds);
    return files;
  }

  async release(owner: string): Promise<void> {
    const held = new Set(this.#layerRecords.ofOwner(owner));
    this.#layerRecords.release(owner);
    await this.#layers.sweep(held);
  }

  async reconcile(owners: ReadonlySet<string>): Promise<void> {
    for (const owner of this.#layerRecords.owners()) if (!owners.has(owner)) await this.release(owner);
    await this.#layers.removeStrays(new Date(), (digest) => this.#puller.spoolLocks.isHeld(digest));
  }

  usage(): { readonly layers: number; readonly images: number; readonly bytes: number } {
    return { ...this.#layerRecords.usage(), images: this.#records.count() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new EngineError('canceled', 'the daemon is stopping'));
    await Promise.allSettled(this.#running);
    this.#http[Symbol.dispose]();
    if (this.#database.isOpen) this.#database.close();
  }

  async #run<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const running = work(AbortSignal.any([signal, this.#closing.signal]));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }
}
