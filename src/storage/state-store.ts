/**
 * The engine's facts in SQLite. WAL with synchronous=NORMAL: a commit is safe against the death of the daemon without
 * an fsync; what a power cut may take is younger than any sandbox that survives one, for none does.
 */
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import type { StateChange, StateStore } from '../engine/ports/state-store.ts';
import type { ContainerRecord, PodRecord } from '../engine/model/record.ts';

/** After so long without a commit the daemon has nothing better to do. */
const quietMs = 1000;
/** Pages of the log, 32 MB: past this it is moved at once, however busy the daemon is. */
const mostLogPages = 8000;

/** Of the tables and of the records in them. */
export const schemaVersion = 1;

export class SqliteStateStore implements StateStore, Disposable {
  readonly #database: DatabaseSync;
  #checkpoint: NodeJS.Timeout | undefined;
  readonly #statements: Readonly<
    Record<'putPod' | 'putContainer' | 'dropPod' | 'dropContainer', StatementSync>
  >;

  /** `path` of the database file, made when missing. Throws `failed_precondition` when a newer DVM wrote it. */
  constructor(path: string) {
    this.#database = open(path);
    this.#statements = {
      putPod: this.#database.prepare('INSERT OR REPLACE INTO pods (id, facts) VALUES (?, ?)'),
      putContainer: this.#database.prepare(
        'INSERT OR REPLACE INTO containers (id, sequence, facts) VALUES (?, ?, ?)',
      ),
      dropPod: this.#database.prepare('DELETE FROM pods WHERE id = ?'),
      dropContainer: this.#database.prepare('DELETE FROM containers WHERE id = ?'),
    };
  }

  load(): { readonly pods: readonly PodRecord[]; readonly containers: readonly ContainerRecord[] } {
    const pods = this.#database.prepare('SELECT facts FROM pods').all();
    const containers = this.#database.prepare('SELECT facts FROM containers ORDER BY sequence').all();
    return {
      pods: pods.map((row) => parseFacts(row['facts']) as PodRecord),
      containers: containers.map((row) => parseFacts(row['facts']) as ContainerRecord),
    };
  }

  commit(change: StateChange): void {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      this.#apply(change);
      this.#database.exec('COMMIT');
      this.#checkpointWhenQuiet();
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw commitFailure(error);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#checkpoint);
    this.#database.close();
  }

  /** Moving the log into the database waits for the disk: not in the middle of somebody's `run`. */
  #checkpointWhenQuiet(): void {
    if (this.#checkpoint !== undefined) this.#checkpoint.refresh();
    else this.#checkpoint = setTimeout(() => this.#moveLog(), quietMs).unref();
  }

  #moveLog(): void {
    this.#checkpoint = undefined;
    try {
      this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // The facts are safe where they are; a disk that fails is told of by the next commit.
    }
  }

  #apply(change: StateChange): void {
    const { putPod, putContainer, dropPod, dropContainer } = this.#statements;
    for (const pod of change.pods ?? []) putPod.run(pod.id, JSON.stringify(pod));
    for (const container of change.containers ?? [])
      putContainer.run(container.id, container.sequence, JSON.stringify(container));
    for (const id of change.removedContainers ?? []) dropContainer.run(id);
    for (const id of change.removedPods ?? []) dropPod.run(id);
  }
}

function open(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000');
    database.exec(`PRAGMA wal_autocheckpoint = ${mostLogPages}`);
    migrate(database, path);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof EngineError) throw error;
    throw new EngineError('failed_precondition', `cannot open the state in "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const found = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (found > schemaVersion) {
    throw new EngineError(
      'failed_precondition',
      `the state in "${path}" was written by a newer DVM (version ${found}, this one reads up to ${schemaVersion}): ` +
        'start the newer one, or give this one another --data-dir',
    );
  }
  if (found === schemaVersion) return;
  database.exec(`
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS pods (id TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS containers (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, facts TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = ${schemaVersion};
    COMMIT;
  `);
}

/** The rows are our own, of this very schema version: they are not parsed field by field. */
function parseFacts(facts: unknown): unknown {
  if (typeof facts !== 'string') throw new EngineError('data_loss', 'a row of the state holds no facts');
  return JSON.parse(facts) as unknown;
}

const sqliteFull = 13;

function commitFailure(error: unknown): EngineError {
  const full = error instanceof Error && 'errcode' in error && error.errcode === sqliteFull;
  return new EngineError(
    full ? 'resource_exhausted' : 'internal',
    `cannot store the state: ${messageOf(error)}${full ? ': make room on the disk of the data directory' : ''}`,
    { cause: error },
  );
}
