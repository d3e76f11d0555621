/** Layers in the database, and who needs them: images, holds of containers, and pulls under way. */
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { parseDigest, type Digest } from '../../oci/digest.ts';
import { inTransaction } from './database.ts';

const layerRow = z.object({ diff_id: z.string().transform(parseDigest) });
const unreferencedRow = z.object({ diff_id: z.string().transform(parseDigest), added_at_ms: z.number() });
const ownerRow = z.object({ owner: z.string() });
const usageRow = z.object({ layers: z.number(), bytes: z.number() });
const sizeRow = z.object({ file_bytes: z.number() });

export interface LayerSizes {
  readonly tarBytes: number;
  readonly fileBytes: number;
}

export interface UnreferencedLayer {
  readonly diffId: Digest;
  readonly addedAtMs: number;
}

export class LayerRecords {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  has(diffId: Digest): boolean {
    return this.#database.prepare('SELECT 1 FROM layers WHERE diff_id = ?').get(diffId) !== undefined;
  }

  add(diffId: Digest, { tarBytes, fileBytes }: LayerSizes, now: Date): void {
    this.#database
      .prepare(
        'INSERT OR IGNORE INTO layers (diff_id, tar_bytes, file_bytes, added_at_ms) VALUES (?, ?, ?, ?)',
      )
      .run(diffId, tarBytes, fileBytes, now.getTime());
  }

  remove(diffId: Digest): void {
    this.#database.prepare('DELETE FROM layers WHERE diff_id = ?').run(diffId);
  }

  fileBytes(diffId: Digest): number {
    const row = this.#database.prepare('SELECT file_bytes FROM layers WHERE diff_id = ?').get(diffId);
    return row === undefined ? 0 : sizeRow.parse(row).file_bytes;
  }

  /** Neither an image nor a hold has them. */
  unreferenced(): readonly UnreferencedLayer[] {
    const sql =
      'SELECT diff_id, added_at_ms FROM layers WHERE diff_id NOT IN (SELECT diff_id FROM image_layers UNION SELECT diff_id FROM holds)';
    return this.#database
      .prepare(sql)
      .all()
      .map((row) => unreferencedRow.parse(row))
      .map((row) => ({ diffId: row.diff_id, addedAtMs: row.added_at_ms }));
  }

  ofOwner(owner: string): readonly Digest[] {
    return this.#database
      .prepare('SELECT diff_id FROM holds WHERE owner = ? ORDER BY position')
      .all(owner)
      .map((row) => layerRow.parse(row).diff_id);
  }

  ofImage(imageId: string): readonly Digest[] {
    const sql = 'SELECT diff_id FROM image_layers WHERE image_id = ? ORDER BY position';
    return this.#database
      .prepare(sql)
      .all(imageId)
      .map((row) => layerRow.parse(row).diff_id);
  }

  /** Replaces what the owner held before. */
  hold(owner: string, diffIds: readonly Digest[]): void {
    inTransaction(this.#database, () => {
      this.#database.prepare('DELETE FROM holds WHERE owner = ?').run(owner);
      const insert = this.#database.prepare('INSERT INTO holds (owner, position, diff_id) VALUES (?, ?, ?)');
      for (const [position, diffId] of diffIds.entries()) insert.run(owner, position, diffId);
    });
  }

  release(owner: string): void {
    this.#database.prepare('DELETE FROM holds WHERE owner = ?').run(owner);
  }

  owners(): readonly string[] {
    return this.#database
      .prepare('SELECT DISTINCT owner FROM holds')
      .all()
      .map((row) => ownerRow.parse(row).owner);
  }

  usage(): { layers: number; bytes: number } {
    return usageRow.parse(
      this.#database
        .prepare('SELECT count(*) AS layers, coalesce(sum(file_bytes), 0) AS bytes FROM layers')
        .get(),
    );
  }
}
