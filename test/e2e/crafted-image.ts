/** Images made by hand in memory, honest or not: a Docker archive, or blobs for a registry. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/** One entry of a tar, exactly as it is named: nothing is cleaned up on the way. */
export interface TarEntry {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly type?: keyof typeof typeFlags;
  readonly linkname?: string;
  readonly devmajor?: number;
  readonly devminor?: number;
}

const typeFlags = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const block = 512;

/** POSIX.1-1988 ustar, names up to 100 bytes. */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '');
    return [tarHeader(entry, content.length), content, Buffer.alloc(-content.length & (block - 1))];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

function tarHeader(entry: TarEntry, size: number): Buffer {
  const type = entry.type ?? 'file';
  const header = Buffer.alloc(block);
  const octal = (value: number, offset: number, length: number) =>
    header.write(value.toString(8).padStart(length - 1, '0'), offset);
  header.write(entry.name, 0, 100);
  octal(entry.mode ?? (type === 'directory' ? 0o755 : 0o644), 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  header.write(typeFlags[type], 156);
  header.write(entry.linkname ?? '', 157, 100);
  header.write('ustar\u000000', 257, 'latin1');
  octal(entry.devmajor ?? 0, 329, 8);
  octal(entry.devminor ?? 0, 337, 8);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
  return header;
}

export function sha256(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export interface CraftedImage {
  /** Uncompressed tars, bottom first. */
  readonly layers: readonly Buffer[];
  readonly architecture?: string;
  readonly os?: string;
  /** In the config's place of the layers' real ones. */
  readonly diffIds?: readonly string[];
  readonly config?: Readonly<Record<string, unknown>>;
}

export function configOf(image: CraftedImage): Buffer {
  return Buffer.from(
    JSON.stringify({
      architecture: image.architecture ?? 'amd64',
      os: image.os ?? 'linux',
      config: image.config ?? { Cmd: ['/bin/sh'] },
      rootfs: { type: 'layers', diff_ids: image.diffIds ?? image.layers.map((layer) => sha256(layer)) },
      history: [],
    }),
  );
}

/** What `docker save` writes. */
export function dockerArchive(image: CraftedImage, reference: string): Buffer {
  const names = image.layers.map((_, index) => `layer-${index}.tar`);
  const manifest = [{ Config: 'config.json', RepoTags: [reference], Layers: names }];
  return tarOf([
    { name: 'config.json', content: configOf(image) },
    ...image.layers.map((content, index) => ({ name: names[index] ?? '', content })),
    { name: 'manifest.json', content: JSON.stringify(manifest) },
  ]);
}

/** A manifest and the blobs it names, by digest. */
export interface RegistryImage {
  readonly manifest: Buffer;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

export function registryImage(image: CraftedImage): RegistryImage {
  const config = configOf(image);
  const layers = image.layers.map((layer) => gzipSync(layer, { level: 1 }));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: sha256(config),
        size: config.length,
      },
      layers: layers.map((layer) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: sha256(layer),
        size: layer.length,
      })),
    }),
  );
  return { manifest, blobs: new Map([config, ...layers].map((blob) => [sha256(blob), blob])) };
}
