/** What was found in an image archive, by path: documents in memory, layers in the store already. */
import { EngineError } from '../../errors/engine-error.ts';
import { sha256Digest, type Digest } from '../../oci/digest.ts';
import { parseJson } from '../../oci/manifest.ts';

export interface LoadedLayer {
  readonly diffId: Digest;
  /** Of the bytes in the archive. */
  readonly digest: Digest;
}

export const documentMaxBytes = 8 * 1024 * 1024;
const documentsMaxBytes = 64 * 1024 * 1024;
const linksMax = 10_000;

export class ArchiveContents {
  readonly #documents = new Map<string, Buffer>();
  readonly #layers = new Map<string, LoadedLayer | EngineError>();
  readonly #links = new Map<string, string>();
  #documentBytes = 0;

  addDocument(path: string, bytes: Buffer): void {
    this.#documentBytes += bytes.length;
    if (this.#documentBytes > documentsMaxBytes)
      throw new EngineError('resource_exhausted', `archive has more than ${documentsMaxBytes} bytes of JSON`);
    this.#documents.set(path, bytes);
  }

  addLayer(path: string, layer: LoadedLayer | EngineError): void {
    this.#layers.set(path, layer);
  }

  /** Old `docker save` stores a layer once and links to it. */
  addLink(path: string, target: string): void {
    if (this.#links.size === linksMax)
      throw new EngineError('resource_exhausted', `archive has more than ${linksMax} links`);
    this.#links.set(path, target);
  }

  document(path: string): Buffer | undefined {
    return this.#documents.get(this.#follow(path));
  }

  requireDocument(path: string): Buffer {
    const bytes = this.document(path);
    if (bytes === undefined)
      throw new EngineError('invalid_argument', `archive is incomplete: "${path}" is missing`);
    return bytes;
  }

  json(path: string): unknown {
    return parseJson(this.requireDocument(path), documentMaxBytes, `"${path}" in the archive`);
  }

  /** Throws what was wrong with it, or that it is missing. */
  layer(path: string): LoadedLayer {
    const layer = this.#layers.get(this.#follow(path));
    if (layer === undefined)
      throw new EngineError('invalid_argument', `archive is incomplete: layer "${path}" is missing`);
    if (layer instanceof EngineError) throw layer;
    return layer;
  }

  #follow(path: string): string {
    let current = path;
    for (let followed = 0; followed < 16; followed++) {
      const target = this.#links.get(current);
      if (target === undefined) return current;
      current = target;
    }
    throw new EngineError('invalid_argument', `archive has a loop of links at "${path}"`);
  }
}

/** `blobs/sha256/<hex>`: the name promises the digest. */
export function blobDigest(path: string): Digest | undefined {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  return hex === undefined ? undefined : sha256Digest(hex);
}

export function blobPath(digest: Digest): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}
