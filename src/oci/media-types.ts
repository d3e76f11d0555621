/** Media types of what registries serve, and which of them DVM runs. */
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
export const ociIndex = 'application/vnd.oci.image.index.v1+json';
export const ociConfig = 'application/vnd.oci.image.config.v1+json';
export const ociLayer = 'application/vnd.oci.image.layer.v1.tar';
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';
export const dockerManifestList = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const dockerConfig = 'application/vnd.docker.container.image.v1+json';

/** What a client asks for; the order is the preference. */
export const acceptedManifests = [ociIndex, dockerManifestList, ociManifest, dockerManifest] as const;

export type Compression = 'none' | 'gzip' | 'zstd';

const layerTypes: ReadonlyMap<string, Compression | 'any'> = new Map([
  [ociLayer, 'none'],
  [`${ociLayer}+gzip`, 'gzip'],
  [`${ociLayer}+zstd`, 'zstd'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
  // Docker pushes and accepts plain and zstd data under its gzip type.
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'any'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'any'],
]);

/** How a layer of this type is compressed; undefined: it is no layer DVM knows. */
export function layerCompression(mediaType: string): Compression | 'any' | undefined {
  return layerTypes.get(mediaType);
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === ociIndex || mediaType === dockerManifestList;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === ociManifest || mediaType === dockerManifest;
}

export function isSchema1Type(mediaType: string): boolean {
  return mediaType.startsWith('application/vnd.docker.distribution.manifest.v1+');
}
