/** kill -9 at every step: what is left is consistent, and the next pull goes on. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { FakeRegistry } from './image-fake-registry.ts';
import { bulkyImage, openStore, patience, type StoreFixture } from './image-store-fixture.ts';

const run = promisify(execFile);

/** Starts the child and kills it when it has said `lines` lines. Returns the last of them. */
async function killAfter(lines: number, dataDir: string, reference: string): Promise<string> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'image-crash-child.ts'), dataDir, reference],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const gone = once(child, 'exit');
  let said = 0;
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) {
    last = line;
    if (++said === lines) child.kill('SIGKILL');
  }
  const [code, signal] = (await gone) as [number | null, string | null];
  assert.deepEqual([code, signal], [null, 'SIGKILL'], 'it did not end by itself');
  return last;
}

async function assertConsistent(fixture: StoreFixture): Promise<void> {
  const { store } = fixture;
  await store.reconcile(new Set());
  assert.deepEqual(await readdir(join(fixture.directory, 'ingest')), []);
  const files = (await fixture.files()).filter((file) => file.startsWith('layers/'));
  assert.equal(store.usage().layers, files.length, 'every file has a record, every record a file');
  for (const file of files) await run('fsck.erofs', [join(fixture.directory, file)]);
  for (const image of store.list({}))
    assert.equal(store.hold('check', image.id).length, image.diffIds.length);
  await store.release('check');
}

test('a store whose daemon is killed at any step is whole', { timeout: 300_000 }, async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const image = bulkyImage(3, 600_000);
  registry.addImage('x', 'v', image);
  const reference = `${registry.address}/x:v`;
  const stops = new Set<string>();
  for (const lines of [1, 2, 4, 8, 14, 20, 26, 28, 30, 32, 34, 36, 60]) {
    await fixture.store[Symbol.asyncDispose]();
    stops.add(await killAfter(lines, fixture.directory, reference));
    await fixture.reopen();
    await assertConsistent(fixture);
  }
  assert.ok(stops.size > 4, `killed at ${[...stops].join(', ')}`);
  const [pulled] = await fixture.store.pull({ reference }, () => undefined, patience());
  assert.equal(pulled?.diffIds.length, 3);
  await assertConsistent(fixture);
});

test('after kill -9 in the middle of a layer the next daemon asks for the rest only', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const image = bulkyImage(1, 3_000_000);
  const [digest = '', blob = Buffer.alloc(0)] = [...image.blobs][1] ?? [];
  registry.addImage('x', 'v', image);
  const reference = `${registry.address}/x:v`;
  registry.intercept = (request, response) => {
    if (request.url?.endsWith(digest) !== true) return false;
    response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, 1_000_000));
    return true;
  };
  await fixture.store[Symbol.asyncDispose]();
  // "reconciled", "Pulling from", "Pulling fs layer", "Waiting", "Downloading": bytes have come.
  assert.equal(await killAfter(5, fixture.directory, reference), 'Downloading');
  registry.intercept = () => false;
  const store = await fixture.reopen();
  await store.reconcile(new Set());
  await store.pull({ reference }, () => undefined, patience());
  const range = registry.blobRequests(digest).at(-1)?.range ?? '';
  assert.match(range, /^bytes=[1-9]\d*-$/);
  assert.deepEqual((await fixture.files()).length, 1);
});
