/** Brings one layer into the store: shared between pulls, resumed after a break, verified before it can be seen. */
import { rm } from 'node:fs/promises';
import type { ImageProgress } from '../engine/ports/images.ts';
import { EngineError, errorCodeOf } from '../errors/engine-error.ts';
import { shortDigest, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/manifest.ts';
import { layerCompression } from '../oci/media-types.ts';
import type { KeyedLock } from '../system/keyed-lock.ts';
import { LayerProgress } from './pull-progress.ts';
import type { RetryPolicy } from './registry/backoff.ts';
import { downloadBlob } from './registry/blob-download.ts';
import type { RepositoryClient } from './registry/repository-client.ts';
import type { SharedWork } from './shared-work.ts';
import type { Slots } from './slots.ts';
import type { StoreDirectories } from './store/directories.ts';
import type { LayerStore } from './store/layer-store.ts';

export interface LayerPuller {
  readonly layers: LayerStore;
  readonly directories: StoreDirectories;
  readonly slots: Slots;
  readonly shared: SharedWork<ImageProgress>;
  /** One writer per spool file. */
  readonly spoolLocks: KeyedLock;
  readonly retry: RetryPolicy;
}

export interface WantedLayer {
  readonly client: RepositoryClient;
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** The image, for errors. */
  readonly image: string;
}

/** The caller's lease must hold the diff ID already. */
export async function pullLayer(
  puller: LayerPuller,
  wanted: WantedLayer,
  report: (progress: ImageProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  const id = shortDigest(wanted.descriptor.digest);
  if (puller.layers.has(wanted.diffId)) {
    report({ id, status: 'Already exists' });
    return;
  }
  report({ id, status: 'Pulling fs layer' });
  await puller.shared.join(
    wanted.diffId,
    async (tell, jobSignal) => {
      if (puller.layers.has(wanted.diffId)) return;
      const progress = new LayerProgress(wanted.descriptor.digest, wanted.descriptor.size, tell);
      progress.status('Waiting');
      await puller.slots.run(
        () =>
          puller.spoolLocks.run(
            wanted.descriptor.digest,
            () => fetchLayer(puller, wanted, progress, jobSignal),
            jobSignal,
          ),
        jobSignal,
      );
    },
    (progress) => report({ ...progress, id }),
    signal,
  );
  report({ id, status: 'Pull complete' });
}

async function fetchLayer(
  puller: LayerPuller,
  wanted: WantedLayer,
  progress: LayerProgress,
  signal: AbortSignal,
): Promise<void> {
  const spool = { resumedBytes: 0 };
  try {
    await attemptLayer(puller, wanted, progress, spool, signal);
  } catch (error) {
    // The beginning that lay on the disk may be what is wrong. It is gone now: once more, from the first byte.
    const mayBeTheSpool = ['data_loss', 'invalid_argument'].includes(errorCodeOf(error));
    if (spool.resumedBytes === 0 || !mayBeTheSpool || signal.aborted) throw error;
    await attemptLayer(puller, wanted, progress, spool, signal);
  }
}

async function attemptLayer(
  puller: LayerPuller,
  wanted: WantedLayer,
  progress: LayerProgress,
  spool: { resumedBytes: number },
  signal: AbortSignal,
): Promise<void> {
  const { digest, size, mediaType } = wanted.descriptor;
  // The work's own: the pull that began it may leave while others wait for it.
  using lease = puller.layers.lease();
  const ended = new AbortController();
  const spoolPath = puller.directories.partialPath(digest);
  const what = `layer ${shortDigest(digest)} of ${wanted.image}`;
  const bytes = downloadBlob(
    {
      client: wanted.client,
      digest,
      size,
      spoolPath,
      what,
      retry: puller.retry,
      onProgress: (current) => progress.downloading(current),
      onResume: (count) => (spool.resumedBytes = count),
    },
    AbortSignal.any([signal, ended.signal]),
  );
  const compression = layerCompression(mediaType) ?? 'any';
  const expected = { digest, size, diffId: wanted.diffId };
  const onVerified = () => progress.verified();
  try {
    await puller.layers.ingest({ what, bytes, compression, expected, onVerified }, lease, signal);
    await rm(spoolPath, { force: true });
  } catch (error) {
    if (!isResumable(signal.aborted ? signal.reason : error)) await rm(spoolPath, { force: true });
    throw error;
  } finally {
    // Whoever failed: the connection and the spool file are closed before this is over.
    ended.abort();
    await bytes.return(undefined);
  }
}

/** What has come so far is good for the next pull; anything else than a broken or cancelled transfer spoils it. */
export function isResumable(error: unknown): boolean {
  if (!(error instanceof EngineError)) return isAbort(error);
  return error.code === 'unavailable' || error.code === 'canceled' || error.code === 'deadline_exceeded';
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}
