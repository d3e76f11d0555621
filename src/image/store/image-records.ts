/** Images, tags and repository digests in the database. Nothing here touches a file. */
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import type { Image } from '../../engine/ports/images.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseDigest, type Digest } from '../../oci/digest.ts';
import { parseImageConfig, runConfigOf, type ParsedImageConfig } from '../../oci/image-config.ts';
import { inTransaction } from './database.ts';

/** `repository` is spelled out in the database (docker.io/library/busybox) and shortened only for people. */
export interface RepositoryTag {
  readonly repository: string;
  readonly tag: string;
}
export interface RepositoryDigest {
  readonly repository: string;
  readonly digest: Digest;
}

export interface NewImage {
  readonly configBytes: Uint8Array;
  readonly config: ParsedImageConfig;
  readonly id: Digest;
  /** Raw manifests and indexes that led to it. */
  readonly manifests: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[];
  readonly tags: readonly RepositoryTag[];
  readonly digests: readonly RepositoryDigest[];
}

const textRow = z.object({ value: z.string() });
const bytesRow = z.object({ bytes: z.instanceof(Uint8Array) });
const layerRow = z.object({ diff_id: z.string(), tar_bytes: z.number() });
const imageRow = z.object({ id: z.string(), last_tagged_at_ms: z.number().nullable() });
const tagRow = z.object({ repository: z.string(), tag: z.string() });
const digestRow = z.object({ repository: z.string(), digest: z.string().transform(parseDigest) });

export class ImageRecords {
  readonly #database: DatabaseSync;
  /** An image's own facts never change while its config's digest is its name. */
  readonly #configs = new Map<string, ParsedImageConfig>();
  readonly #shorten: (repository: string) => string;

  /** `shorten` turns a repository into what people write. */
  constructor(database: DatabaseSync, shorten: (repository: string) => string) {
    this.#database = database;
    this.#shorten = shorten;
  }

  add(image: NewImage, now: Date): void {
    inTransaction(this.#database, () => {
      const { diff_ids: diffIds } = image.config.config.rootfs;
      this.#run('INSERT OR IGNORE INTO blobs (digest, bytes) VALUES (?, ?)', image.id, image.configBytes);
      this.#run('INSERT OR IGNORE INTO images (id, added_at_ms) VALUES (?, ?)', image.id, now.getTime());
      for (const [position, diffId] of diffIds.entries()) {
        this.#run(
          'INSERT OR IGNORE INTO image_layers (image_id, position, diff_id) VALUES (?, ?, ?)',
          image.id,
          position,
          diffId,
        );
      }
      for (const { digest, bytes } of image.manifests) {
        this.#run('INSERT OR IGNORE INTO blobs (digest, bytes) VALUES (?, ?)', digest, bytes);
        this.#run('INSERT OR IGNORE INTO image_manifests (image_id, digest) VALUES (?, ?)', image.id, digest);
      }
      for (const { repository, digest } of image.digests) {
        this.#run(
          'INSERT OR REPLACE INTO repo_digests (repository, digest, image_id) VALUES (?, ?, ?)',
          repository,
          digest,
          image.id,
        );
      }
      for (const tag of image.tags) this.#setTag(tag, image.id, now);
    });
  }

  setTag(tag: RepositoryTag, imageId: string, now: Date): void {
    inTransaction(this.#database, () => this.#setTag(tag, imageId, now));
  }

  #setTag({ repository, tag }: RepositoryTag, imageId: string, now: Date): void {
    if (this.byTag({ repository, tag }) === imageId) return;
    this.#run(
      'INSERT OR REPLACE INTO tags (repository, tag, image_id) VALUES (?, ?, ?)',
      repository,
      tag,
      imageId,
    );
    this.#run('UPDATE images SET last_tagged_at_ms = ? WHERE id = ?', now.getTime(), imageId);
  }

  removeTag({ repository, tag }: RepositoryTag): void {
    this.#run('DELETE FROM tags WHERE repository = ? AND tag = ?', repository, tag);
  }

  removeDigest({ repository, digest }: RepositoryDigest): void {
    this.#run('DELETE FROM repo_digests WHERE repository = ? AND digest = ?', repository, digest);
  }

  /** Its tags and digests must be gone. Blobs that nobody refers to go with it. */
  remove(id: string): void {
    this.#run('DELETE FROM images WHERE id = ?', id);
    this.#run(
      'DELETE FROM blobs WHERE digest NOT IN (SELECT id FROM images UNION SELECT digest FROM image_manifests)',
    );
    this.#configs.delete(id);
  }

  has(id: string): boolean {
    return this.#database.prepare('SELECT 1 FROM images WHERE id = ?').get(id) !== undefined;
  }

  byTag({ repository, tag }: RepositoryTag): string | undefined {
    const row = this.#database
      .prepare('SELECT image_id AS value FROM tags WHERE repository = ? AND tag = ?')
      .get(repository, tag);
    return row === undefined ? undefined : textRow.parse(row).value;
  }

  byDigest({ repository, digest }: RepositoryDigest): string | undefined {
    const row = this.#database
      .prepare('SELECT image_id AS value FROM repo_digests WHERE repository = ? AND digest = ?')
      .get(repository, digest);
    return row === undefined ? undefined : textRow.parse(row).value;
  }

  /** Images whose ID begins with these hex digits; two at most, enough to know that it is ambiguous. */
  byIdPrefix(hex: string): readonly string[] {
    const rows = this.#database
      .prepare(`SELECT id AS value FROM images WHERE substr(id, 1, ?) = ? LIMIT 2`)
      .all(7 + hex.length, `sha256:${hex}`);
    return rows.map((row) => textRow.parse(row).value);
  }

  /** Newest first. */
  ids(): readonly string[] {
    const rows = this.#database.prepare('SELECT id AS value FROM images ORDER BY added_at_ms DESC, id').all();
    return rows.map((row) => textRow.parse(row).value);
  }

  tagsOf(id: string): readonly RepositoryTag[] {
    return this.#database
      .prepare('SELECT repository, tag FROM tags WHERE image_id = ? ORDER BY repository, tag')
      .all(id)
      .map((row) => tagRow.parse(row));
  }

  digestsOf(id: string): readonly RepositoryDigest[] {
    return this.#database
      .prepare('SELECT repository, digest FROM repo_digests WHERE image_id = ? ORDER BY repository, digest')
      .all(id)
      .map((row) => digestRow.parse(row));
  }

  count(): number {
    return Number(this.#database.prepare('SELECT count(*) AS n FROM images').get()?.['n'] ?? 0);
  }

  get(id: string): Image {
    const row = this.#database.prepare('SELECT id, last_tagged_at_ms FROM images WHERE id = ?').get(id);
    if (row === undefined) throw new EngineError('not_found', `No such image: ${id}`);
    const { last_tagged_at_ms: lastTaggedAtMs } = imageRow.parse(row);
    const { config, raw } = this.config(id);
    const layers = this.#database
      .prepare(
        'SELECT l.diff_id, l.tar_bytes FROM image_layers i JOIN layers l ON l.diff_id = i.diff_id WHERE i.image_id = ? ORDER BY i.position',
      )
      .all(id)
      .map((layer) => layerRow.parse(layer));
    return {
      id,
      repoTags: this.tagsOf(id).map(({ repository, tag }) => `${this.#shorten(repository)}:${tag}`),
      repoDigests: this.digestsOf(id).map(
        ({ repository, digest }) => `${this.#shorten(repository)}@${digest}`,
      ),
      ...(config.created !== null && config.created !== undefined && { created: config.created }),
      author: config.author ?? '',
      comment: config.comment ?? '',
      architecture: config.architecture,
      ...(config.variant !== null &&
        config.variant !== undefined &&
        config.variant !== '' && { variant: config.variant }),
      os: config.os,
      sizeBytes: layers.reduce((sum, layer) => sum + layer.tar_bytes, 0),
      diffIds: layers.map((layer) => layer.diff_id),
      config: runConfigOf(config),
      history: historyOf(
        config.history ?? [],
        layers.map((layer) => layer.tar_bytes),
      ),
      ...(lastTaggedAtMs !== null && { lastTaggedAt: new Date(lastTaggedAtMs) }),
      rawConfig: raw,
    };
  }

  config(id: string): ParsedImageConfig {
    const cached = this.#configs.get(id);
    if (cached !== undefined) return cached;
    const row = this.#database.prepare('SELECT bytes FROM blobs WHERE digest = ?').get(id);
    if (row === undefined) throw new EngineError('not_found', `No such image: ${id}`);
    const parsed = parseImageConfig(bytesRow.parse(row).bytes, id);
    this.#configs.set(id, parsed);
    return parsed;
  }

  #run(sql: string, ...parameters: (string | number | Uint8Array)[]): void {
    this.#database.prepare(sql).run(...parameters);
  }
}

type History = NonNullable<ParsedImageConfig['config']['history']>;

/** History entries take the layers in order, except those that say they have none. */
function historyOf(history: History, layerBytes: readonly number[]): Image['history'] {
  let next = 0;
  return history.map((entry) => {
    const emptyLayer = entry.empty_layer ?? false;
    return {
      ...(entry.created !== null && entry.created !== undefined && { created: entry.created }),
      createdBy: entry.created_by ?? '',
      comment: entry.comment ?? '',
      emptyLayer,
      sizeBytes: emptyLayer ? 0 : (layerBytes[next++] ?? 0),
    };
  });
}
