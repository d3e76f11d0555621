/** Pulls images: manifest, platform, config, layers in parallel, and then, in one transaction, the image. */
import type { Image, ImageProgress, PullRequest, RegistryCredentials } from '../engine/ports/images.ts';
import { EngineError } from '../errors/engine-error.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import {
  configMaxBytes,
  parseImageConfig,
  type ImageConfig,
  type ParsedImageConfig,
} from '../oci/image-config.ts';
import { parseManifest, requireImage, type Descriptor, type Manifest } from '../oci/manifest.ts';
import {
  choosePlatform,
  formatPlatform,
  parsePlatform,
  platformDistance,
  requireLinux,
  type Platform,
} from '../oci/platform.ts';
import { familiarString, parseReference, withDefaultTag, type Reference } from '../oci/reference.ts';
import { isResumable, pullLayer, type LayerPuller } from './pull-layer.ts';
import { givenCredentials, type CredentialFile } from './registry/credentials.ts';
import type { HttpClient } from './registry/http-client.ts';
import type { RegistriesConfig } from './registry/registry-config.ts';
import { RepositoryClient, type FetchedManifest } from './registry/repository-client.ts';
import { repositoryOf } from './store/repository.ts';
import type { ImageRecords } from './store/image-records.ts';

export interface Puller extends LayerPuller {
  readonly records: ImageRecords;
  readonly http: HttpClient;
  readonly registries: RegistriesConfig;
  readonly credentialFile: CredentialFile;
  readonly hostPlatform: Platform;
}

type Report = (progress: ImageProgress) => void;

export async function pullImages(
  puller: Puller,
  request: PullRequest,
  report: Report,
  signal: AbortSignal,
): Promise<readonly Image[]> {
  const reference = parseReference(request.reference);
  if (request.allTags === true && (reference.tag !== undefined || reference.digest !== undefined)) {
    throw new EngineError(
      'invalid_argument',
      `${request.reference}: a tag or digest cannot be given together with all tags`,
    );
  }
  const platform =
    request.platform === undefined || request.platform === '' ? undefined : parsePlatform(request.platform);
  const credentials: RegistryCredentials | undefined =
    givenCredentials(request.credentials) ?? (await puller.credentialFile.find(reference.domain, signal));
  const client = new RepositoryClient(puller.http, reference, puller.registries, credentials, puller.retry);
  if (request.allTags !== true)
    return [await pullOne(puller, client, withDefaultTag(reference), platform, report, signal)];
  const images: Image[] = [];
  for (const tag of await client.tags(signal)) {
    images.push(await pullOne(puller, client, { ...reference, tag }, platform, report, signal));
  }
  return images;
}

interface Resolved {
  readonly manifest: Manifest;
  /** What the tag or digest named first: an index or a manifest. */
  readonly top: FetchedManifest;
  readonly documents: readonly FetchedManifest[];
}

async function pullOne(
  puller: Puller,
  client: RepositoryClient,
  reference: Reference,
  platform: Platform | undefined,
  report: Report,
  signal: AbortSignal,
): Promise<Image> {
  const name = familiarString(reference);
  const wanted = reference.digest ?? reference.tag ?? 'latest';
  const image = await resolve(client, wanted, name, platform ?? puller.hostPlatform, signal);
  const { manifest } = image;
  report({ id: wanted, status: `Pulling from ${reference.path}` });
  requireImage(manifest, name);
  const configBytes = await client.smallBlob(manifest.config, configMaxBytes, `config of ${name}`, signal);
  const config = parseImageConfig(configBytes, name);
  requireLinux(config.config.os, name);
  checkPlatform(config.config, platform ?? puller.hostPlatform, name);
  const pairs = pairLayers(manifest, config, name);
  const lease = puller.layers.lease();
  try {
    for (const { diffId } of pairs) lease.add(diffId);
    await pullLayers(client, puller, pairs, name, report, signal);
    const tag = reference.digest === undefined ? reference.tag : undefined;
    return record(
      puller,
      { ...image, config, configBytes },
      { repository: repositoryOf(reference), tag, name },
      report,
    );
  } catch (error) {
    // A pull that can never succeed takes its layers away again; another one goes on from them.
    if (!signal.aborted && !isResumable(error)) await puller.layers.endLease(lease);
    throw error;
  } finally {
    lease[Symbol.dispose]();
  }
}

interface PulledImage extends Resolved {
  readonly config: ParsedImageConfig;
  readonly configBytes: Buffer;
}
interface PulledName {
  readonly repository: string;
  readonly tag: string | undefined;
  /** As people write it. */
  readonly name: string;
}

/** Docker tags what was pulled by tag; what was pulled by digest is known by that alone. */
function record(
  puller: Puller,
  pulled: PulledImage,
  { repository, tag, name }: PulledName,
  report: Report,
): Image {
  const { records } = puller;
  const { digest } = pulled.top;
  const id = pulled.manifest.config.digest;
  const before =
    tag === undefined ? records.byDigest({ repository, digest }) : records.byTag({ repository, tag });
  const tags = tag === undefined ? [] : [{ repository, tag }];
  records.add(
    {
      id,
      config: pulled.config,
      configBytes: pulled.configBytes,
      manifests: pulled.documents,
      tags,
      digests: [{ repository, digest }],
    },
    new Date(),
  );
  report({ status: `Digest: ${digest}` });
  report({
    status:
      before === id
        ? `Status: Image is up to date for ${name}`
        : `Status: Downloaded newer image for ${name}`,
  });
  return records.get(id);
}

async function resolve(
  client: RepositoryClient,
  wanted: string,
  name: string,
  platform: Platform,
  signal: AbortSignal,
): Promise<Resolved> {
  const top = await client.manifest(wanted, signal);
  const parsed = parseManifest(top.bytes, top.contentType, name);
  if (parsed.kind === 'manifest') return { manifest: parsed, top, documents: [top] };
  const chosen = choosePlatform(parsed.manifests, platform, name);
  const nested = await client.manifest(chosen.digest, signal);
  const manifest = parseManifest(nested.bytes, chosen.mediaType, name);
  if (manifest.kind === 'index')
    throw new EngineError('unimplemented', `${name} is an index of indexes, which DVM does not follow`);
  return { manifest, top, documents: [top, nested] };
}

function checkPlatform(config: ImageConfig, wanted: Platform, name: string): void {
  const actual = { os: config.os, architecture: config.architecture, variant: config.variant ?? undefined };
  if (platformDistance(wanted, actual) !== undefined) return;
  throw new EngineError(
    'not_found',
    `image ${name} is for ${[actual.os, actual.architecture, actual.variant].filter((part) => part !== undefined && part !== '').join('/')}, not for ${formatPlatform(wanted)}: pull another tag, or name its platform to keep it without running it`,
  );
}

interface LayerPair {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

function pairLayers(manifest: Manifest, config: ParsedImageConfig, name: string): readonly LayerPair[] {
  const diffIds = config.config.rootfs.diff_ids;
  if (manifest.layers.length !== diffIds.length) {
    throw new EngineError(
      'invalid_argument',
      `${name} is inconsistent: its manifest has ${manifest.layers.length} layers, its config ${diffIds.length}`,
    );
  }
  return manifest.layers.map((descriptor, i) => ({ descriptor, diffId: parseDigest(diffIds[i] ?? '') }));
}

/** All layers or none: the first failure ends the others, and their end is waited for. */
async function pullLayers(
  client: RepositoryClient,
  puller: Puller,
  pairs: readonly LayerPair[],
  image: string,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const results = await Promise.allSettled(
    pairs.map(async ({ descriptor, diffId }) => {
      try {
        await pullLayer(puller, { client, descriptor, diffId, image }, report, either);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
