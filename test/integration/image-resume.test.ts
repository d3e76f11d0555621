/** Transfers that break, stop, fall silent or are given up: the next attempt goes on from there. */
import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OpenImageStore } from '../../src/image/image-store.ts';
import { registryImage, tarOf } from '../e2e/crafted-image.ts';
import { FakeRegistry, sendError } from './image-fake-registry.ts';
import { bulkyImage, failure, layerDigests, nobody, openStore, patience } from './image-store-fixture.ts';

const hello = tarOf([{ name: 'hello', content: 'hello\n' }]);
const pull = (store: OpenImageStore, reference: string, signal = patience()) =>
  store.pull({ reference }, () => undefined, signal);

for (const ranges of [true, false]) {
  test(`a transfer that breaks goes on, from a registry with${ranges ? '' : 'out'} ranges`, async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await openStore();
    registry.ranges = ranges;
    const image = bulkyImage(1, 2_000_000);
    const [digest = ''] = layerDigests(image);
    const blob = image.blobs.get(digest) ?? Buffer.alloc(0);
    registry.addImage('x', 'v', image);
    let broken = 0;
    registry.intercept = (request, response) => {
      if (request.url?.endsWith(digest) !== true || broken === 4) return false;
      broken++;
      const start = ranges ? Number(/=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
      response.writeHead(start === 0 ? 200 : 206, {
        'content-length': blob.length - start,
        ...(start > 0 && { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` }),
      });
      response.write(blob.subarray(start, broken * 300_000), () => response.destroy());
      return true;
    };
    await pull(fixture.store, `${registry.address}/x:v`);
    assert.equal(broken, 4);
    const asked = registry
      .blobRequests(digest)
      .map(({ range }) => Number(/=(\d+)-/.exec(range ?? '')?.[1] ?? 0));
    assert.equal(asked.length, 5);
    assert.ok(
      asked.every((offset, i) => i === 0 || offset > (asked[i - 1] ?? 0)),
      `offsets ${asked.join(' ')}`,
    );
  });
}

test('an interrupted pull leaves a beginning, the next pull goes on from it, also in a new daemon', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const image = bulkyImage(2, 1_000_000);
  const [first = '', digest = ''] = layerDigests(image);
  const blob = image.blobs.get(digest) ?? Buffer.alloc(0);
  registry.addImage('x', 'v', image);
  const reference = `${registry.address}/x:v`;
  const gaveUp = new AbortController();
  registry.intercept = (request, response) => {
    if (request.url?.endsWith(digest) !== true) return false;
    response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, 400_000));
    return true;
  };
  const arrived = Promise.withResolvers<undefined>();
  const interrupted = fixture.store.pull(
    { reference },
    ({ id, status, current }) => {
      if (id === digest.slice(7, 19) && status === 'Downloading' && (current ?? 0) > 0)
        arrived.resolve(undefined);
    },
    gaveUp.signal,
  );
  await arrived.promise;
  gaveUp.abort();
  await assert.rejects(interrupted, { name: 'AbortError' });
  const left = await fixture.files();
  assert.ok(left.includes(`blobs/partial/${digest.slice(7)}`));
  assert.ok(!left.some((file) => file.startsWith('ingest/')), 'nothing half made');
  assert.equal(fixture.store.usage().images, 0);
  const spooled = (await stat(join(fixture.directory, 'blobs/partial', digest.slice(7)))).size;
  assert.ok(spooled > 0 && spooled <= 400_000);

  const store = await fixture.reopen();
  await store.reconcile(new Set());
  registry.intercept = () => false;
  const firstAsked = registry.blobRequests(first).length;
  await pull(store, reference);
  assert.equal(registry.blobRequests(digest).at(-1)?.range, `bytes=${spooled}-`);
  assert.ok(registry.blobRequests(first).length <= firstAsked + 1);
  assert.equal((await fixture.files()).length, 2);
});

test('a beginning that was spoiled on the disk is thrown away and fetched again', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const image = bulkyImage(1, 500_000);
  const [digest = ''] = layerDigests(image);
  registry.addImage('x', 'v', image);
  const spool = join(fixture.directory, 'blobs/partial', digest.slice(7));
  for (const rubbish of [Buffer.alloc(100_000, 1), Buffer.alloc(5_000_000, 1)]) {
    await writeFile(spool, rubbish);
    await pull(fixture.store, `${registry.address}/x:v`);
    assert.equal((await fixture.files()).length, 1);
    await fixture.store.remove(`${registry.address}/x:v`, { force: true, prune: true, inUse: nobody });
  }
  const beginning = (image.blobs.get(digest) ?? Buffer.alloc(0)).subarray(0, 200_000);
  await writeFile(spool, beginning);
  await pull(fixture.store, `${registry.address}/x:v`);
  assert.equal(registry.blobRequests(digest).at(-1)?.range, 'bytes=200000-');
});

test('a registry that is busy or broken for a while is asked again', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  registry.addImage('x', 'v', registryImage({ layers: [hello] }));
  const answers = [429, 503];
  registry.intercept = (_request, response) => {
    const status = answers.shift();
    if (status === undefined) return false;
    sendError(response, status, 'TOOMANYREQUESTS', 'slow down', { 'retry-after': '0' });
    return true;
  };
  await pull(fixture.store, `${registry.address}/x:v`);
  registry.intercept = (_request, response) => {
    sendError(response, 503, 'UNAVAILABLE', 'out for lunch');
    return true;
  };
  const before = registry.requests.length;
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x:v`),
    failure('unavailable', /503/, /out for lunch/),
  );
  assert.equal(registry.requests.length - before, 3);
});

test('a registry that falls silent is not waited for forever', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore({ httpTimeouts: { responseMs: 200, idleMs: 100 } });
  const image = bulkyImage(1, 500_000);
  const [digest = ''] = layerDigests(image);
  registry.addImage('x', 'v', image);
  registry.intercept = (request, response) => {
    if (request.url?.endsWith(digest) !== true) return false;
    response.writeHead(200, { 'content-length': image.blobs.get(digest)?.length ?? 0 }).write('x');
    return true;
  };
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x:v`),
    failure('unavailable', /sent nothing for 100 ms|206|200/),
  );
  registry.intercept = () => true;
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x:v`),
    failure('unavailable', /did not answer within 200 ms/),
  );
});

test('two pulls of one image fetch each layer once; giving one up does not end the other', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const image = bulkyImage(3, 400_000);
  registry.addImage('x', 'v', image);
  registry.addImage('y', 'v', image);
  const [digest = ''] = layerDigests(image);
  const blob = image.blobs.get(digest) ?? Buffer.alloc(0);
  const started = Promise.withResolvers<() => void>();
  registry.intercept = (request, response) => {
    if (request.url?.endsWith(digest) !== true) return false;
    response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, 100_000));
    started.resolve(() => response.end(blob.subarray(100_000)));
    return true;
  };
  const leaving = new AbortController();
  const leaver = fixture.store.pull(
    { reference: `${registry.address}/x:v` },
    () => undefined,
    leaving.signal,
  );
  const goOn = await started.promise;
  const joined = Promise.withResolvers<undefined>();
  const stayer = fixture.store.pull(
    { reference: `${registry.address}/y:v` },
    ({ id, status }) => {
      if (id === digest.slice(7, 19) && status === 'Downloading') joined.resolve(undefined);
    },
    patience(),
  );
  await joined.promise;
  leaving.abort();
  await assert.rejects(leaver, { name: 'AbortError' });
  goOn();
  const [pulled] = await stayer;
  assert.equal(pulled?.diffIds.length, 3);
  for (const each of layerDigests(image)) assert.equal(registry.blobRequests(each).length, 1);
});
