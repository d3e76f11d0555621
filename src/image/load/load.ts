/** `docker load`: Docker archives of both kinds and OCI layouts, of any number of images, from one stream. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Image, ImageProgress } from '../../engine/ports/images.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { sha256Digest, type Digest } from '../../oci/digest.ts';
import { parseImageConfig } from '../../oci/image-config.ts';
import { checkShape, parseManifest, requireImage, type Descriptor } from '../../oci/manifest.ts';
import { choosePlatform, requireLinux, type Platform } from '../../oci/platform.ts';
import { isTagged, parseReference, withDefaultTag } from '../../oci/reference.ts';
import { decompressed, detectCompression, peek } from '../layer/decompress.ts';
import { splitLayerPath } from '../layer/layer-path.ts';
import type { ImageRecords, NewImage, RepositoryTag } from '../store/image-records.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { repositoryOf } from '../store/repository.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { blobPath, type ArchiveContents, type LoadedLayer } from './archive-contents.ts';
import { ArchiveReader } from './archive-reader.ts';

export interface Loader {
  readonly layers: LayerStore;
  readonly records: ImageRecords;
  readonly hostPlatform: Platform;
}

const imagesMax = 1000;
const dockerManifestSchema = z
  .array(
    z.object({
      Config: z.string().max(4096),
      RepoTags: z.array(z.string().max(1024)).max(10_000).nullish(),
      Layers: z.array(z.string().max(4096)).max(512).nullish(),
    }),
  )
  .max(imagesMax);

export async function loadImages(
  loader: Loader,
  tar: AsyncIterable<Uint8Array>,
  report: (progress: ImageProgress) => void,
  signal: AbortSignal,
): Promise<readonly Image[]> {
  const lease = loader.layers.lease();
  const reader = new ArchiveReader(loader.layers, lease, report, signal);
  try {
    await readArchive(reader, tar, signal);
    const images = imagesOf(reader.contents, loader.hostPlatform);
    const now = new Date();
    for (const image of images) loader.records.add(image, now);
    return images.map((image) => loader.records.get(image.id));
  } finally {
    await reader.settle();
    await loader.layers.endLease(lease);
  }
}

async function readArchive(
  reader: ArchiveReader,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const { head, rest } = await peek(tar, 4);
  if (head.length === 0) throw new EngineError('invalid_argument', 'archive is empty');
  const parser = new TarReader(reader);
  for await (const chunk of decompressed(rest, detectCompression(head), 'archive', signal)) {
    signal.throwIfAborted();
    parser.push(chunk);
    await reader.drained();
  }
  parser.finish();
  await reader.drained();
}

function imagesOf(contents: ArchiveContents, platform: Platform): readonly NewImage[] {
  if (contents.document('manifest.json') !== undefined) return dockerImages(contents);
  if (contents.document('index.json') !== undefined) return ociImages(contents, platform);
  throw new EngineError(
    'invalid_argument',
    'this is no image archive: it has neither manifest.json (docker save) nor index.json (OCI layout); a root file system is read with import',
  );
}

function dockerImages(contents: ArchiveContents): readonly NewImage[] {
  const entries = checkShape(dockerManifestSchema, contents.json('manifest.json'), 'manifest.json');
  if (entries.length === 0)
    throw new EngineError('invalid_argument', 'archive has no image: its manifest.json is empty');
  return entries.map((entry) => {
    const layers = (entry.Layers ?? []).map((path) => contents.layer(normalise(path)));
    return newImage(
      contents.requireDocument(normalise(entry.Config)),
      layers,
      (entry.RepoTags ?? []).map(tagOf),
      [],
    );
  });
}

function normalise(path: string): string {
  return splitLayerPath(path, 16).join('/');
}

function tagOf(text: string): RepositoryTag {
  const reference = withDefaultTag(parseReference(text));
  if (!isTagged(reference))
    throw new EngineError('invalid_argument', `archive names an image "${text}", which is not a tag`);
  return { repository: repositoryOf(reference), tag: reference.tag };
}

/** Entries of the same name are one image for several platforms. */
function ociImages(contents: ArchiveContents, platform: Platform): readonly NewImage[] {
  const index = parseManifest(contents.requireDocument('index.json'), undefined, 'the archive');
  if (index.kind !== 'index' || index.manifests.length === 0)
    throw new EngineError('invalid_argument', 'archive has no image: its index.json lists none');
  if (index.manifests.length > imagesMax)
    throw new EngineError('resource_exhausted', `archive has more than ${imagesMax} images`);
  const byName = Map.groupBy(index.manifests, (descriptor) => nameIn(descriptor) ?? '');
  return [...byName].flatMap(([name, descriptors]) => {
    // Several without a platform are images of their own, and one alone is taken whatever it is for.
    const isMultiPlatform = descriptors.length > 1 && descriptors.some(({ platform: own }) => own != null);
    const chosen = isMultiPlatform ? [choosePlatform(descriptors, platform, 'the archive')] : descriptors;
    return chosen.map((descriptor) =>
      ociImage(contents, descriptor, name === '' ? [] : [tagOf(name)], platform),
    );
  });
}

/** containerd's full name, or OCI's where that is more than a tag. */
function nameIn(descriptor: Descriptor): string | undefined {
  const full = descriptor.annotations?.['io.containerd.image.name'];
  if (full !== undefined) return full;
  const name = descriptor.annotations?.['org.opencontainers.image.ref.name'];
  return name !== undefined && /[:/]/.test(name) ? name : undefined;
}

function ociImage(
  contents: ArchiveContents,
  top: Descriptor,
  tags: readonly RepositoryTag[],
  platform: Platform,
): NewImage {
  const documents: { digest: Digest; bytes: Buffer }[] = [];
  const read = (descriptor: Descriptor) => {
    const bytes = contents.requireDocument(blobPath(descriptor.digest));
    documents.push({ digest: descriptor.digest, bytes });
    return parseManifest(bytes, descriptor.mediaType, descriptor.digest);
  };
  let manifest = read(top);
  if (manifest.kind === 'index') manifest = read(choosePlatform(manifest.manifests, platform, 'the archive'));
  if (manifest.kind === 'index')
    throw new EngineError('unimplemented', 'archive has an index of indexes, which DVM does not follow');
  requireImage(manifest, 'the archive');
  const layers = manifest.layers.map((layer) => contents.layer(blobPath(layer.digest)));
  return newImage(contents.requireDocument(blobPath(manifest.config.digest)), layers, tags, documents);
}

/** Checks that the layers are those that the config promises. */
function newImage(
  configBytes: Buffer,
  layers: readonly LoadedLayer[],
  tags: readonly RepositoryTag[],
  manifests: NewImage['manifests'],
): NewImage {
  const id = sha256Digest(createHash('sha256').update(configBytes).digest('hex'));
  const name = tags[0] === undefined ? id : `${tags[0].repository}:${tags[0].tag}`;
  const config = parseImageConfig(configBytes, name);
  requireLinux(config.config.os, name);
  const promised = config.config.rootfs.diff_ids;
  if (promised.length !== layers.length)
    throw new EngineError(
      'invalid_argument',
      `image ${id} is inconsistent: it has ${layers.length} layers, its config ${promised.length}`,
    );
  for (const [i, layer] of layers.entries()) {
    if (layer.diffId !== promised[i])
      throw new EngineError(
        'data_loss',
        `layer ${i + 1} of image ${id} has the diff ID ${layer.diffId}, but the image's config says ${promised[i] ?? 'none'}`,
      );
  }
  return { id, configBytes, config, manifests, tags, digests: [] };
}
