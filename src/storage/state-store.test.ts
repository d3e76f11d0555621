import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ContainerRecord, PodRecord } from '../engine/model/record.ts';
import { specOf } from '../engine/testing/engine-fixture.ts';
import { SqliteStateStore, schemaVersion } from './state-store.ts';

async function pathFor(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-state-'));
  context.after(() => rm(directory, { recursive: true }));
  return join(directory, 'engine.db');
}

const pod: PodRecord = { id: 'p1', createdAt: 5, sandbox: { id: 's1', record: { pid: 7 } } };

function container(id: string, sequence: number): ContainerRecord {
  return {
    id,
    podId: 'p1',
    sequence,
    createdAt: 5,
    spec: specOf({ labels: { ünïcode: '\u{1F433}' } }),
    layers: [],
    restartCount: 0,
    manuallyStopped: false,
    execs: [],
  };
}

test('what was committed is there for the next daemon, in order of creation', async (context) => {
  const path = await pathFor(context);
  {
    using store = new SqliteStateStore(path);
    store.commit({ pods: [pod], containers: [container('b', 2), container('a', 10), container('c', 1)] });
    store.commit({ containers: [{ ...container('c', 1), restartCount: 3 }], removedContainers: ['b'] });
  }
  using store = new SqliteStateStore(path);
  const { pods, containers } = store.load();
  assert.deepEqual(pods, [pod]);
  assert.deepEqual(containers, [{ ...container('c', 1), restartCount: 3 }, container('a', 10)]);
  store.commit({ removedPods: ['p1'], removedContainers: ['a', 'c'] });
  assert.deepEqual(store.load(), { pods: [], containers: [] });
});

test('a commit without fsync is not lost with the process: another connection sees it at once', async (context) => {
  const path = await pathFor(context);
  using store = new SqliteStateStore(path);
  store.commit({ pods: [pod] });
  using other = new SqliteStateStore(path);
  assert.deepEqual(other.load().pods, [pod]);
});

test('a commit happens whole or not at all', async (context) => {
  const path = await pathFor(context);
  using store = new SqliteStateStore(path);
  const broken = { ...container('x', 1), sequence: null } as unknown as ContainerRecord;
  assert.throws(() => store.commit({ pods: [pod], containers: [broken] }), { code: 'internal' });
  assert.deepEqual(store.load(), { pods: [], containers: [] });
  store.commit({ pods: [pod] });
  assert.equal(store.load().pods.length, 1);
});

test('the state of a newer DVM is refused, and what to do is said', async (context) => {
  const path = await pathFor(context);
  new SqliteStateStore(path)[Symbol.dispose]();
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA user_version = ${schemaVersion + 1}`);
  database.close();
  assert.throws(() => new SqliteStateStore(path), {
    code: 'failed_precondition',
    message: /written by a newer DVM \(version 2, this one reads up to 1\): start the newer one/,
  });
});

test('a file that is no database is refused with its name', async (context) => {
  const path = await pathFor(context);
  await writeFile(path, 'this is not a database, but long enough to be taken for one'.repeat(100));
  await chmod(path, 0o600);
  assert.throws(() => new SqliteStateStore(path), {
    code: 'failed_precondition',
    message: new RegExp(`cannot open the state in "${path}"`),
  });
});
