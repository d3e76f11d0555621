/** The image store's SQLite file: facts about images, and who needs which layer. Files are derived from it. */
import { DatabaseSync } from 'node:sqlite';
import { EngineError, messageOf } from '../../errors/engine-error.ts';

const schemaVersion = 1;
const schema = `
  CREATE TABLE blobs (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE layers (
    diff_id TEXT PRIMARY KEY, tar_bytes INTEGER NOT NULL, file_bytes INTEGER NOT NULL, added_at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE images (id TEXT PRIMARY KEY, added_at_ms INTEGER NOT NULL, last_tagged_at_ms INTEGER) STRICT;
  CREATE TABLE image_layers (
    image_id TEXT NOT NULL REFERENCES images ON DELETE CASCADE, position INTEGER NOT NULL, diff_id TEXT NOT NULL REFERENCES layers,
    PRIMARY KEY (image_id, position)) STRICT;
  CREATE INDEX image_layers_by_layer ON image_layers (diff_id);
  CREATE TABLE image_manifests (
    image_id TEXT NOT NULL REFERENCES images ON DELETE CASCADE, digest TEXT NOT NULL REFERENCES blobs,
    PRIMARY KEY (image_id, digest)) STRICT;
  CREATE TABLE tags (
    repository TEXT NOT NULL, tag TEXT NOT NULL, image_id TEXT NOT NULL REFERENCES images,
    PRIMARY KEY (repository, tag)) STRICT;
  CREATE INDEX tags_by_image ON tags (image_id);
  CREATE TABLE repo_digests (
    repository TEXT NOT NULL, digest TEXT NOT NULL, image_id TEXT NOT NULL REFERENCES images,
    PRIMARY KEY (repository, digest)) STRICT;
  CREATE INDEX repo_digests_by_image ON repo_digests (image_id);
  CREATE TABLE holds (
    owner TEXT NOT NULL, position INTEGER NOT NULL, diff_id TEXT NOT NULL REFERENCES layers,
    PRIMARY KEY (owner, position)) STRICT;
  CREATE INDEX holds_by_layer ON holds (diff_id);
`;

/** Throws `failed_precondition` for a file of a newer version, or one that another daemon has open. */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    // Half a second: a daemon that is just ending lets go by then.
    database = new DatabaseSync(path, { timeout: 500, enableForeignKeyConstraints: true });
    // One daemon per directory, and every commit on the disk before a file is removed because of it.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    migrate(database, path);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof EngineError) throw error;
    if (/locked|busy/i.test(messageOf(error))) {
      throw new EngineError(
        'failed_precondition',
        `image store ${path} is in use by another daemon; stop it, or use another --data-dir`,
        { cause: error },
      );
    }
    throw new EngineError('internal', `cannot open image store ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version > schemaVersion) {
    throw new EngineError(
      'failed_precondition',
      `image store ${path} is of version ${version}, this daemon knows ${schemaVersion}: run the newer daemon, or use another --data-dir`,
    );
  }
  if (version === schemaVersion) return;
  inTransaction(database, () => database.exec(`${schema} PRAGMA user_version = ${schemaVersion};`));
}

/** All or nothing. Everything in it is synchronous, so no two of them interleave. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw isFull(error) ? fullDisk(error) : error;
  }
}

const sqliteFull = 13;

function isFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteFull;
}

function fullDisk(cause: unknown): EngineError {
  return new EngineError(
    'resource_exhausted',
    "cannot record the change of images: no space left on the data directory's file system",
    { cause },
  );
}
