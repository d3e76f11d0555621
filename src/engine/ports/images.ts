/** The port to images: what the engine and the APIs need of the image store and of registries. */
import type { LayerFile } from './pod-runtime.ts';

/** The part of an OCI image config that starts a container. */
export interface ImageRunConfig {
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly stopSignal?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly shell?: readonly string[];
  readonly healthcheck?: Readonly<Record<string, unknown>>;
}

export interface ImageHistoryEntry {
  readonly created?: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
  /** Bytes of the layer, uncompressed; 0 for an empty one. */
  readonly sizeBytes: number;
}

export interface Image {
  /** Digest of the config blob, sha256:…, Docker's image ID. */
  readonly id: string;
  readonly repoTags: readonly string[]; // familiar names: busybox:latest
  readonly repoDigests: readonly string[];
  readonly created?: string; // RFC 3339
  readonly author: string;
  readonly comment: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  /** Sum of the layers' tar sizes, bytes. */
  readonly sizeBytes: number;
  readonly diffIds: readonly string[];
  readonly config: ImageRunConfig;
  readonly history: readonly ImageHistoryEntry[];
  readonly lastTaggedAt?: Date;
  /** The config blob as it came, for `inspect`'s rarer fields. */
  readonly rawConfig: Readonly<Record<string, unknown>>;
}

export interface RegistryCredentials {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
  readonly serverAddress?: string;
}

/** Docker's JSON progress messages come from these. `id` is a layer's short digest, or absent. */
export interface ImageProgress {
  readonly id?: string;
  readonly status: string; // 'Pulling fs layer', 'Downloading', 'Pull complete', 'Already exists', …
  readonly current?: number;
  readonly total?: number;
}

export interface PullRequest {
  /** As the user wrote it: busybox, ghcr.io/a/b:tag, x@sha256:… */
  readonly reference: string;
  readonly allTags?: boolean;
  /** os/arch[/variant]; default: the host's. */
  readonly platform?: string;
  readonly credentials?: RegistryCredentials;
}

export interface RemovedImage {
  readonly untagged?: string;
  readonly deleted?: string;
}

export interface ImageFilter {
  readonly reference?: readonly string[];
  readonly dangling?: boolean;
  readonly label?: readonly string[]; // key or key=value
  readonly before?: string;
  readonly since?: string;
  /** Created before this date (prune's until). */
  readonly until?: Date;
}

export interface ImportRequest {
  readonly reference?: string;
  readonly message: string;
  /** Dockerfile instructions, as in docker import --change. */
  readonly changes: readonly string[];
  readonly platform?: string;
}

export interface ImageStore {
  /** By reference, full ID, or unambiguous ID prefix; throws not_found / invalid_argument. */
  get(nameOrId: string): Image;
  list(filter: ImageFilter): readonly Image[];
  /** Resolves with the image once it can run: every blob verified, every layer an EROFS file. */
  pull(
    request: PullRequest,
    progress: (p: ImageProgress) => void,
    signal: AbortSignal,
  ): Promise<readonly Image[]>;
  /** Docker archive or OCI layout as a tar stream (plain, gzip or zstd). */
  load(
    tar: AsyncIterable<Uint8Array>,
    progress: (p: ImageProgress) => void,
    signal: AbortSignal,
  ): Promise<readonly Image[]>;
  /** A plain tar (also compressed) becomes an image of one layer. */
  import(tar: AsyncIterable<Uint8Array>, request: ImportRequest, signal: AbortSignal): Promise<Image>;
  tag(source: string, target: string): void;
  /**
   * `inUse(imageId)` names the container that uses an image, for the refusal. Without `force` an image with several tags
   * given by ID, or one in use, is refused (failed_precondition).
   */
  remove(
    nameOrId: string,
    options: {
      readonly force: boolean;
      readonly prune: boolean;
      readonly inUse: (imageId: string) => string | undefined;
    },
  ): Promise<readonly RemovedImage[]>;
  prune(
    filter: ImageFilter,
    inUse: (imageId: string) => string | undefined,
  ): Promise<{ removed: readonly RemovedImage[]; reclaimedBytes: number }>;
  /**
   * The image's layers, bottom first, kept until `release(owner)`, also when the image is removed. Survives restarts.
   */
  hold(owner: string, imageId: string): readonly LayerFile[];
  release(owner: string): Promise<void>;
  /** Drops holds of owners that do not exist (after a crash), and files nobody refers to. */
  reconcile(owners: ReadonlySet<string>): Promise<void>;
  /** Bytes on disk of layers, and how many layers and images there are. */
  usage(): { readonly layers: number; readonly images: number; readonly bytes: number };
}
