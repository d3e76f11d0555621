/** Layer files: made in `ingest`, renamed when they are whole and verified, removed when nobody needs them. */
import { randomBytes } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayerFile } from '../../engine/ports/pod-runtime.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { sha256Digest, type Digest } from '../../oci/digest.ts';
import { moveIntoPlace } from '../../system/atomic-file.ts';
import { isErrno } from '../../system/errno.ts';
import { convertLayer, type ConvertedLayer, type LayerSource } from '../layer/convert-layer.ts';
import type { LayerLimits } from '../layer/layer-limits.ts';
import { writeFailure } from '../write-failure.ts';
import type { StoreDirectories } from './directories.ts';
import type { LayerRecords, UnreferencedLayer } from './layer-records.ts';

/** How long an interrupted pull's layers and beginnings of layers wait for the next one. */
const leftoverLifetimeMs = 7 * 24 * 3600 * 1000;

/** Keeps layers from being swept between the moment they are there and the moment their image is. */
export class LayerLease implements Disposable {
  readonly #leased: Map<Digest, number>;
  readonly #mine: Digest[] = [];

  constructor(leased: Map<Digest, number>) {
    this.#leased = leased;
  }

  get diffIds(): ReadonlySet<Digest> {
    return new Set(this.#mine);
  }

  add(diffId: Digest): void {
    this.#mine.push(diffId);
    this.#leased.set(diffId, (this.#leased.get(diffId) ?? 0) + 1);
  }

  [Symbol.dispose](): void {
    for (const diffId of this.#mine.splice(0)) {
      const left = (this.#leased.get(diffId) ?? 1) - 1;
      if (left === 0) this.#leased.delete(diffId);
      else this.#leased.set(diffId, left);
    }
  }
}

export interface SweptLayers {
  readonly diffIds: readonly Digest[];
  readonly bytes: number;
}

export class LayerStore {
  readonly #directories: StoreDirectories;
  readonly #records: LayerRecords;
  readonly #limits: LayerLimits;
  readonly #leased = new Map<Digest, number>();
  readonly #ingesting = new Set<string>();

  constructor(directories: StoreDirectories, records: LayerRecords, limits: LayerLimits) {
    this.#directories = directories;
    this.#records = records;
    this.#limits = limits;
  }

  lease(): LayerLease {
    return new LayerLease(this.#leased);
  }

  has(diffId: Digest): boolean {
    return this.#records.has(diffId) && existsSync(this.#directories.layerPath(diffId));
  }

  /** Lets go of what a load or an import has brought, and removes what no image came to need. */
  async endLease(lease: LayerLease): Promise<void> {
    const brought = lease.diffIds;
    lease[Symbol.dispose]();
    await this.sweep(brought);
  }

  files(diffIds: readonly Digest[]): readonly LayerFile[] {
    return diffIds.map((diffId) => {
      const path = this.#directories.layerPath(diffId);
      if (!existsSync(path))
        throw new EngineError(
          'data_loss',
          `layer ${diffId} is missing from ${this.#directories.layers}: pull or load its image again`,
        );
      return { digest: diffId, path };
    });
  }

  /** Converts, verifies and keeps a layer; the lease holds it until its image is recorded. */
  async ingest(source: LayerSource, lease: LayerLease, signal: AbortSignal): Promise<ConvertedLayer> {
    const name = `${randomBytes(8).toString('hex')}.erofs`;
    const path = join(this.#directories.ingest, name);
    this.#ingesting.add(name);
    try {
      const layer = await convertLayer(source, path, this.#limits, signal);
      lease.add(layer.diffId);
      if (this.has(layer.diffId)) {
        await rm(path, { force: true });
      } else {
        await moveIntoPlace(path, this.#directories.layerPath(layer.diffId));
        this.#records.add(layer.diffId, layer, new Date());
      }
      return layer;
    } catch (error) {
      throw isErrno(error, 'ENOSPC', 'EDQUOT') ? writeFailure(source.what, error) : error;
    } finally {
      this.#ingesting.delete(name);
    }
  }

  /**
   * Forgets and removes those of `candidates` (default: all) that neither an image, a hold nor a pull under way needs. What
   * a pull that was interrupted has brought so far needs nobody either, so only `prune` sweeps everything.
   */
  async sweep(candidates?: ReadonlySet<Digest>): Promise<SweptLayers> {
    return await this.#sweep(({ diffId }) => candidates === undefined || candidates.has(diffId));
  }

  async #sweep(isCandidate: (layer: UnreferencedLayer) => boolean): Promise<SweptLayers> {
    const diffIds = this.#records
      .unreferenced()
      .filter((layer) => isCandidate(layer) && !this.#leased.has(layer.diffId))
      .map(({ diffId }) => diffId);
    const trash: string[] = [];
    let bytes = 0;
    for (const diffId of diffIds) {
      bytes += this.#records.fileBytes(diffId);
      // The record first: a file without a record is removed by the next reconcile, a record without a file is a lie.
      this.#records.remove(diffId);
      const path = this.#directories.layerPath(diffId);
      if (!existsSync(path)) continue;
      // Out of the way in the same breath, so that a pull that starts now does not take it for its own.
      const away = `${randomBytes(8).toString('hex')}.removed`;
      this.#ingesting.add(away);
      renameSync(path, join(this.#directories.ingest, away));
      trash.push(away);
    }
    for (const name of trash) {
      await rm(join(this.#directories.ingest, name), { force: true });
      this.#ingesting.delete(name);
    }
    return { diffIds, bytes };
  }

  /** Removes what a crash left: unfinished layers, files without a record, and what nobody came back for. */
  async removeStrays(now: Date, isBusy: (digest: Digest) => boolean): Promise<void> {
    for (const name of await readdir(this.#directories.ingest)) {
      if (!this.#ingesting.has(name))
        await rm(join(this.#directories.ingest, name), { force: true, recursive: true });
    }
    for (const name of await readdir(this.#directories.layers)) {
      const hex = /^([0-9a-f]{64})\.erofs$/.exec(name)?.[1];
      const diffId = hex === undefined ? undefined : sha256Digest(hex);
      if (diffId !== undefined && (this.#records.has(diffId) || this.#leased.has(diffId))) continue;
      await rm(join(this.#directories.layers, name), { force: true, recursive: true });
    }
    const tooOldMs = now.getTime() - leftoverLifetimeMs;
    await this.#sweep((layer) => layer.addedAtMs < tooOldMs);
    await this.removePartials(tooOldMs, isBusy);
  }

  /** Removes beginnings of blobs that were last written before `beforeMs` and are not being written. Returns their bytes. */
  async removePartials(beforeMs: number, isBusy: (digest: Digest) => boolean): Promise<number> {
    let bytes = 0;
    for (const name of await readdir(this.#directories.partial)) {
      const path = join(this.#directories.partial, name);
      try {
        const { mtimeMs, size } = await stat(path);
        if (mtimeMs >= beforeMs || (/^[0-9a-f]{64}$/.test(name) && isBusy(sha256Digest(name)))) continue;
        await rm(path, { force: true, recursive: true });
        bytes += size;
      } catch (error) {
        // A pull that ended meanwhile has removed it.
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    }
    return bytes;
  }
}
