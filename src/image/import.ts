/** A plain tar becomes an image of one layer. */
import { createHash } from 'node:crypto';
import type { Image, ImportRequest } from '../engine/ports/images.ts';
import { EngineError } from '../errors/engine-error.ts';
import { sha256Digest, type Digest } from '../oci/digest.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { parsePlatform, requireLinux, type Platform } from '../oci/platform.ts';
import { isTagged, parseReference, withDefaultTag, type Reference } from '../oci/reference.ts';
import { applyChanges, type WrittenRunConfig } from './image-config-changes.ts';
import type { ImageRecords } from './store/image-records.ts';
import type { LayerStore } from './store/layer-store.ts';
import { repositoryOf } from './store/repository.ts';

export interface Importer {
  readonly layers: LayerStore;
  readonly records: ImageRecords;
  readonly hostPlatform: Platform;
}

export async function importImage(
  importer: Importer,
  tar: AsyncIterable<Uint8Array>,
  request: ImportRequest,
  signal: AbortSignal,
): Promise<Image> {
  // Everything that can be wrong with the request, before the first byte of the tar is read.
  const reference =
    request.reference === undefined || request.reference === ''
      ? undefined
      : withDefaultTag(parseReference(request.reference));
  if (reference?.digest !== undefined)
    throw new EngineError(
      'invalid_argument',
      `cannot import as ${request.reference ?? ''}: a digest is not a name to give`,
    );
  const runConfig = applyChanges(request.changes);
  const platform =
    request.platform === undefined || request.platform === ''
      ? importer.hostPlatform
      : parsePlatform(request.platform);

  requireLinux(platform.os, 'the import');
  const lease = importer.layers.lease();
  try {
    const layer = await importer.layers.ingest(
      { what: 'the imported archive', bytes: tar, compression: 'any' },
      lease,
      signal,
    );
    return record(importer, layer.diffId, { platform, message: request.message, runConfig, reference });
  } finally {
    await importer.layers.endLease(lease);
  }
}

interface NewImport {
  readonly platform: Platform;
  readonly message: string;
  readonly runConfig: WrittenRunConfig;
  readonly reference: Reference | undefined;
}

function record(
  importer: Importer,
  diffId: Digest,
  { platform, message, runConfig, reference }: NewImport,
): Image {
  const created = new Date();
  const configBytes = Buffer.from(
    JSON.stringify({
      ...platform,
      comment: message,
      created: created.toISOString(),
      config: runConfig,
      rootfs: { type: 'layers', diff_ids: [diffId] },
      history: [{ created: created.toISOString(), comment: message }],
    }),
  );
  const id = sha256Digest(createHash('sha256').update(configBytes).digest('hex'));
  const tags =
    reference !== undefined && isTagged(reference)
      ? [{ repository: repositoryOf(reference), tag: reference.tag }]
      : [];
  importer.records.add(
    { id, configBytes, config: parseImageConfig(configBytes, id), manifests: [], tags, digests: [] },
    created,
  );
  return importer.records.get(id);
}
