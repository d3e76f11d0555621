/** Manifests and indexes, OCI and Docker schema 2: parsed with a cap on everything that is counted. */
import { z } from 'zod';
import { EngineError } from '../errors/engine-error.ts';
import { parseDigest } from './digest.ts';
import {
  dockerConfig,
  isIndexType,
  isManifestType,
  isSchema1Type,
  layerCompression,
  ociConfig,
  ociIndex,
  ociManifest,
} from './media-types.ts';

/** The distribution specification lets a registry refuse more than 4 MiB, so nobody pushes more. */
export const manifestMaxBytes = 4 * 1024 * 1024;
const layersMax = 512;
const manifestsMax = 4096;

const digestSchema = z.string().max(300).transform(parseDigest);
const platformSchema = z.object({
  architecture: z.string().max(64),
  os: z.string().max(64),
  variant: z.string().max(64).optional(),
  'os.version': z.string().max(256).optional(),
});
const annotationsSchema = z.record(z.string(), z.string()).nullish();
const descriptorSchema = z.object({
  mediaType: z.string().max(256),
  digest: digestSchema,
  size: z.int().nonnegative(),
  platform: platformSchema.nullish(),
  annotations: annotationsSchema,
  artifactType: z.string().max(256).optional(),
});
const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().max(256).optional(),
  artifactType: z.string().max(256).optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(layersMax),
});
const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().max(256).optional(),
  manifests: z.array(descriptorSchema).max(manifestsMax),
});
const headSchema = z.object({
  schemaVersion: z.int().optional(),
  mediaType: z.string().max(256).optional(),
  config: z.unknown().optional(),
  layers: z.unknown().optional(),
  manifests: z.unknown().optional(),
  fsLayers: z.unknown().optional(),
});

export type Descriptor = z.infer<typeof descriptorSchema>;
export type ManifestPlatform = z.infer<typeof platformSchema>;
export interface Manifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}
export interface Index {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

/** JSON from elsewhere, within a cap; `what` names it in the error. */
export function parseJson(bytes: Uint8Array, maxBytes: number, what: string): unknown {
  if (bytes.byteLength > maxBytes)
    throw new EngineError('resource_exhausted', `${what} is larger than ${maxBytes} bytes`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new EngineError('invalid_argument', `${what} is not JSON`, { cause });
  }
}

/** Runs a schema; the error names the first field that is wrong. */
export function checkShape<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where =
    issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`;
  throw new EngineError(
    'invalid_argument',
    `${what} is not valid${where}: ${issue?.message ?? 'wrong shape'}`,
  );
}

/**
 * A manifest or an index. The document's own media type decides; without one, `contentType` (the HTTP header) and
 * then its shape. A document that could be read as both is refused (CVE-2021-41190).
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  what: string,
): Manifest | Index {
  const value = parseJson(bytes, manifestMaxBytes, `manifest of ${what}`);
  const head = checkShape(headSchema, value, `manifest of ${what}`);
  const declared = head.mediaType ?? contentType?.split(';')[0]?.trim() ?? '';
  if (head.schemaVersion === 1 || head.fsLayers !== undefined || isSchema1Type(declared)) {
    throw new EngineError(
      'unimplemented',
      `${what} has a Docker schema 1 manifest, which is obsolete: push the image again with a current client`,
    );
  }
  const looksLikeIndex = head.manifests !== undefined;
  const looksLikeManifest = head.config !== undefined || head.layers !== undefined;
  if (looksLikeIndex && looksLikeManifest) {
    throw new EngineError(
      'invalid_argument',
      `manifest of ${what} has both "manifests" and "layers" or "config"`,
    );
  }
  if (isIndexType(declared) ? looksLikeManifest : isManifestType(declared) && looksLikeIndex) {
    throw new EngineError(
      'invalid_argument',
      `manifest of ${what} is not what its media type ${declared} says`,
    );
  }
  if (looksLikeIndex) {
    const index = checkShape(indexSchema, value, `index of ${what}`);
    return {
      kind: 'index',
      mediaType: isIndexType(declared) ? declared : ociIndex,
      manifests: index.manifests,
    };
  }
  const manifest = checkShape(manifestSchema, value, `manifest of ${what}`);
  const mediaType = isManifestType(declared) ? declared : ociManifest;
  return { kind: 'manifest', mediaType, config: manifest.config, layers: manifest.layers };
}

/** Refuses Helm charts, signatures, models and whatever else is stored in registries but cannot run. */
export function requireImage(manifest: Manifest, what: string): void {
  const { mediaType } = manifest.config;
  if (mediaType !== ociConfig && mediaType !== dockerConfig) {
    throw new EngineError('invalid_argument', `${what} is not a container image: its config is ${mediaType}`);
  }
  if (manifest.layers.length === 0) {
    throw new EngineError('invalid_argument', `${what} has no layers, so there is nothing to run`);
  }
  for (const layer of manifest.layers) {
    if (layerCompression(layer.mediaType) === undefined) {
      throw new EngineError(
        'unimplemented',
        `${what} has a layer of a type that DVM cannot read: ${layer.mediaType}`,
      );
    }
  }
}
