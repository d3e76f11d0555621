/** Where the image store keeps what, below the data directory. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { digestHex, type Digest } from '../../oci/digest.ts';

export class StoreDirectories {
  readonly database: string;
  /** Finished layers, read-only: `<hex of the diff ID>.erofs`. */
  readonly layers: string;
  /** Layers being written, and files being removed. Nothing in it outlives the daemon. */
  readonly ingest: string;
  /** What has come of a blob so far: `<hex of the digest>`. Outlives the daemon, so that the next pull goes on from there. */
  readonly partial: string;

  constructor(dataDir: string) {
    this.database = join(dataDir, 'images.db');
    this.layers = join(dataDir, 'layers', 'sha256');
    this.ingest = join(dataDir, 'ingest');
    this.partial = join(dataDir, 'blobs', 'partial');
  }

  make(): void {
    for (const path of [this.layers, this.ingest, this.partial])
      mkdirSync(path, { recursive: true, mode: 0o711 });
  }

  layerPath(diffId: Digest): string {
    return join(this.layers, `${digestHex(diffId)}.erofs`);
  }

  partialPath(digest: Digest): string {
    return join(this.partial, digestHex(digest));
  }
}
