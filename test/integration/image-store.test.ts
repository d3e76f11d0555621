/** The store's own rules: names, removal, holds, leftovers, versions. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { Image, ImageFilter } from '../../src/engine/ports/images.ts';
import { openImageStore, type OpenImageStore } from '../../src/image/image-store.ts';
import { dockerArchive, registryImage, sha256, tarOf, type CraftedImage } from '../e2e/crafted-image.ts';
import { FakeRegistry } from './image-fake-registry.ts';
import { bulkyImage, failure, nobody, openStore, patience } from './image-store-fixture.ts';

const run = promisify(execFile);
const layer = (name: string) => tarOf([{ name, content: name }]);
const base = layer('base');

async function load(store: OpenImageStore, image: CraftedImage, reference: string): Promise<Image> {
  const [loaded] = await store.load(
    Readable.from([dockerArchive(image, reference)]),
    () => undefined,
    patience(),
  );
  assert.ok(loaded);
  return loaded;
}
const gently = { force: false, prune: true, inUse: nobody };

test('an image is found by every name it has, and by no other', async () => {
  await using fixture = await openStore();
  const { store } = fixture;
  const image = await load(store, { layers: [base] }, 'team/app:1');
  const hex = image.id.slice(7);
  store.tag('team/app:1', 'localhost:5000/app');
  for (const name of [
    'team/app:1',
    'docker.io/team/app:1',
    'localhost:5000/app:latest',
    'localhost:5000/app',
    image.id,
    hex,
    hex.slice(0, 12),
    `sha256:${hex.slice(0, 7)}`,
  ]) {
    assert.equal(store.get(name).id, image.id, name);
  }
  assert.deepEqual(store.get(hex).repoTags, ['team/app:1', 'localhost:5000/app:latest']);
  assert.throws(() => store.get('team/app'), failure('not_found', /No such image: team\/app:latest/));
  assert.throws(() => store.get('0'.repeat(64)), failure('not_found', /No such image/));
  assert.throws(() => store.get(`sha256:${'0'.repeat(64)}`), failure('not_found'));
  assert.throws(() => store.get('A:b:c'), failure('invalid_argument', /A:b:c/));
  assert.throws(() => store.tag('nothing', 'x'), failure('not_found'));
  assert.throws(() => store.tag(hex, `x@${image.id}`), failure('invalid_argument', /digest/));
});

test('an ID prefix that two images have is ambiguous', async () => {
  await using fixture = await openStore();
  const ids: string[] = [];
  // Seventeen images: two of them begin with the same digit.
  for (let i = 0; i < 17; i++)
    ids.push(
      (
        await load(fixture.store, { layers: [base], config: { Labels: { i: String(i) } } }, `x:${i}`)
      ).id.slice(7),
    );
  const digit =
    Array.from('0123456789abcdef').find((each) => ids.filter((id) => id.startsWith(each)).length > 1) ?? '';
  assert.throws(() => fixture.store.get(digit), failure('invalid_argument', /ambiguous/));
});

test('rmi by name takes the name, and the image with its last one; shared layers stay', async () => {
  await using fixture = await openStore();
  const { store } = fixture;
  const one = await load(store, { layers: [base, layer('one')] }, 'one:1');
  const two = await load(store, { layers: [base, layer('two')] }, 'two:1');
  store.tag('one:1', 'one:2');
  assert.deepEqual(await store.remove('one:1', gently), [{ untagged: 'one:1' }]);
  assert.deepEqual(await store.remove('one:2', gently), [
    { untagged: 'one:2' },
    { deleted: one.id },
    { deleted: sha256(`${sha256(base)} ${sha256(layer('one'))}`) },
  ]);
  assert.equal((await fixture.files()).length, 2);
  assert.deepEqual((await store.remove(two.id, gently)).slice(0, 2), [
    { untagged: 'two:1' },
    { deleted: two.id },
  ]);
  assert.deepEqual(await fixture.files(), []);
  assert.deepEqual(store.usage(), { layers: 0, images: 0, bytes: 0 });
});

test('what is in use or has several names is refused, and forced', async () => {
  await using fixture = await openStore();
  const { store } = fixture;
  const image = await load(store, { layers: [base] }, 'app:1');
  const short = image.id.slice(7, 19);
  const inUse = (id: string) => (id === image.id ? 'happy_cat' : undefined);
  await assert.rejects(
    store.remove('app:1', { ...gently, inUse }),
    failure(
      'failed_precondition',
      /unable to remove repository reference "app:1" \(must force\) - container happy_cat is using its referenced image/,
    ),
  );
  await assert.rejects(
    store.remove(short, { ...gently, inUse }),
    failure('failed_precondition', new RegExp(`unable to delete ${short} \\(must be forced\\).*happy_cat`)),
  );
  store.tag('app:1', 'other:1');
  assert.deepEqual(
    await store.remove('app:1', { ...gently, inUse }),
    [{ untagged: 'app:1' }],
    'another name is left',
  );
  store.tag('other:1', 'app:1');
  await assert.rejects(
    store.remove(short, gently),
    failure('failed_precondition', /referenced in multiple repositories/),
  );
  const removed = await store.remove(short, { force: true, prune: true, inUse });
  assert.deepEqual(removed.slice(0, 3), [
    { untagged: 'app:1' },
    { untagged: 'other:1' },
    { deleted: image.id },
  ]);
});

test('a held layer outlives its image, until it is released', async () => {
  await using fixture = await openStore();
  const image = await load(fixture.store, { layers: [base, layer('x')] }, 'app:1');
  const files = fixture.store.hold('container-1', image.id);
  assert.deepEqual(
    files.map(({ digest }) => digest),
    image.diffIds,
  );
  fixture.store.hold('container-2', 'app:1');
  await fixture.store.remove('app:1', { force: true, prune: true, inUse: () => 'container-1' });
  const store = await fixture.reopen();
  await store.reconcile(new Set(['container-1']));
  for (const { path } of files) assert.equal((await readFile(path)).readUInt32LE(1024), 0xe0f5e1e2);
  await store.release('container-1');
  await store.release('container-1');
  assert.deepEqual(await fixture.files(), []);
  assert.throws(() => store.hold('container-3', image.id), failure('not_found'));
});

test('filters', async () => {
  await using fixture = await openStore();
  const { store } = fixture;
  const at = (day: number) => ({ created: `2024-01-0${day}T00:00:00Z` });
  const make = async (reference: string, day: number, labels: Record<string, string>) => {
    const config = {
      architecture: 'amd64',
      os: 'linux',
      ...at(day),
      config: { Labels: labels },
      rootfs: { type: 'layers', diff_ids: [sha256(base)] },
    };
    const archive = tarOf([
      { name: 'config.json', content: JSON.stringify(config) },
      { name: 'l.tar', content: base },
      {
        name: 'manifest.json',
        content: JSON.stringify([{ Config: 'config.json', RepoTags: [reference], Layers: ['l.tar'] }]),
      },
    ]);
    await store.load(Readable.from([archive]), () => undefined, patience());
  };
  await make('team/app:1', 1, { tier: 'web' });
  await make('team/app:2', 2, { tier: 'db', keep: '' });
  await make('localhost:5000/tool:3', 3, {});
  await make('old:4', 4, {});
  await make('old:4', 5, {});
  const names = (filter: ImageFilter) =>
    store
      .list(filter)
      .map((image) => image.repoTags[0] ?? '<none>')
      .sort();
  assert.deepEqual(names({}), ['<none>', 'localhost:5000/tool:3', 'old:4', 'team/app:1', 'team/app:2']);
  assert.deepEqual(names({ dangling: true }), ['<none>']);
  assert.deepEqual(names({ dangling: false }).length, 4);
  assert.deepEqual(names({ reference: ['team/app'] }), ['team/app:1', 'team/app:2']);
  assert.deepEqual(names({ reference: ['*/app:1', 'old'] }), ['old:4', 'team/app:1']);
  assert.deepEqual(names({ reference: ['*'] }), ['old:4']);
  assert.deepEqual(names({ reference: ['team/a[o-q]?:[^1]'] }), ['team/app:2']);
  assert.deepEqual(names({ reference: ['localhost:5000/*'] }), ['localhost:5000/tool:3']);
  assert.deepEqual(names({ reference: ['*a'.repeat(200)] }), []);
  assert.deepEqual(names({ label: ['tier'] }), ['team/app:1', 'team/app:2']);
  assert.deepEqual(names({ label: ['tier=db', 'keep'] }), ['team/app:2']);
  assert.deepEqual(names({ label: ['toString'] }), []);
  assert.deepEqual(names({ before: 'team/app:2' }), ['team/app:1']);
  assert.deepEqual(names({ since: 'team/app:2', dangling: false }), ['localhost:5000/tool:3', 'old:4']);
  assert.deepEqual(names({ until: new Date('2024-01-02T00:00:00Z') }), ['team/app:1']);
  assert.throws(() => store.list({ before: 'nothing' }), failure('not_found'));
});

test('prune: dangling images only, or all that nobody uses; and what it gave back', async () => {
  await using fixture = await openStore();
  const { store } = fixture;
  const old = await load(store, { layers: [base, layer('old')] }, 'app:1');
  const current = await load(store, { layers: [base, layer('new')] }, 'app:1');
  await load(store, { layers: [layer('used')] }, 'used:1');
  const size = (
    await stat(join(fixture.directory, 'layers/sha256', `${sha256(layer('old')).slice(7)}.erofs`))
  ).size;
  const dangling = await store.prune({}, nobody);
  assert.deepEqual(dangling.removed[0], { deleted: old.id });
  assert.equal(dangling.removed.length, 2, 'and its own layer');
  assert.equal(dangling.reclaimedBytes, size);
  const all = await store.prune({ dangling: false }, (id) => (id === current.id ? undefined : 'container'));
  assert.deepEqual(all.removed.slice(0, 2), [{ untagged: 'app:1' }, { deleted: current.id }]);
  assert.deepEqual(
    store.list({}).map(({ repoTags }) => repoTags),
    [['used:1']],
  );
});

test('history has the layers’ sizes', async () => {
  await using fixture = await openStore();
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [sha256(base), sha256(layer('x'))] },
    history: [
      { created_by: 'ADD' },
      { created_by: 'ENV', empty_layer: true },
      { created_by: 'RUN', comment: 'c', created: '2024-01-01T00:00:00Z' },
    ],
  };
  const archive = tarOf([
    { name: 'c', content: JSON.stringify(config) },
    { name: 'a', content: base },
    { name: 'b', content: layer('x') },
    { name: 'manifest.json', content: JSON.stringify([{ Config: 'c', RepoTags: null, Layers: ['a', 'b'] }]) },
  ]);
  const [image] = await fixture.store.load(Readable.from([archive]), () => undefined, patience());
  assert.deepEqual(image?.history, [
    { createdBy: 'ADD', comment: '', emptyLayer: false, sizeBytes: base.length },
    { createdBy: 'ENV', comment: '', emptyLayer: true, sizeBytes: 0 },
    {
      created: '2024-01-01T00:00:00Z',
      createdBy: 'RUN',
      comment: 'c',
      emptyLayer: false,
      sizeBytes: layer('x').length,
    },
  ]);
  assert.equal(image.sizeBytes, base.length + layer('x').length);
});

test('reconcile removes what a crash left, and only that', async () => {
  await using fixture = await openStore();
  const image = await load(fixture.store, { layers: [base] }, 'app:1');
  const at = (...parts: string[]) => join(fixture.directory, ...parts);
  await writeFile(at('ingest', 'half.erofs'), 'half');
  await mkdir(at('ingest', 'odd'));
  await writeFile(at('layers/sha256', `${'a'.repeat(64)}.erofs`), 'no record');
  await writeFile(at('layers/sha256', 'junk'), 'junk');
  await writeFile(at('blobs/partial', 'b'.repeat(64)), 'recent');
  await writeFile(at('blobs/partial', 'c'.repeat(64)), 'old');
  await utimes(at('blobs/partial', 'c'.repeat(64)), 1, 1);
  await fixture.store.reconcile(new Set());
  assert.deepEqual(await fixture.files(), [
    `blobs/partial/${'b'.repeat(64)}`,
    `layers/sha256/${image.diffIds[0]?.slice(7) ?? ''}.erofs`,
  ]);
  const { reclaimedBytes } = await fixture.store.prune({}, nobody);
  assert.equal(reclaimedBytes, 'recent'.length);
  assert.equal((await fixture.files()).length, 1);
});

test('a layer whose file is gone is fetched again', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  registry.addImage('x', 'v', registryImage({ layers: [base] }));
  const pull = () =>
    fixture.store.pull({ reference: `${registry.address}/x:v` }, () => undefined, patience());
  await pull();
  const [file = ''] = await fixture.files();
  await rm(join(fixture.directory, file));
  assert.throws(
    () => fixture.store.hold('c', `${registry.address}/x:v`),
    failure('data_loss', /missing.*again/),
  );
  await pull();
  assert.equal(fixture.store.hold('c', `${registry.address}/x:v`).length, 1);
});

test('a newer version’s store and another daemon’s are refused', async () => {
  await using fixture = await openStore();
  assert.throws(
    () => openImageStore(fixture.options),
    failure('failed_precondition', /in use by another daemon/),
  );
  await fixture.store[Symbol.asyncDispose]();
  const database = new DatabaseSync(join(fixture.directory, 'images.db'));
  database.exec('PRAGMA user_version = 99');
  database.close();
  assert.throws(
    () => openImageStore(fixture.options),
    failure('failed_precondition', /version 99.*newer daemon/),
  );
  const again = new DatabaseSync(join(fixture.directory, 'images.db'));
  again.exec('PRAGMA user_version = 1');
  again.close();
  await fixture.reopen();
});

test(
  'a full disk: refused by name, nothing left, and fine again when there is room',
  { skip: process.getuid?.() === 0 ? false : 'mounting needs root' },
  async () => {
    const mountPoint = await mkdtemp(join(tmpdir(), 'dvm-full-'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', mountPoint]);
    try {
      await using registry = await FakeRegistry.start();
      await using fixture = await openStore({ dataDir: mountPoint });
      const left = async () =>
        (await readdir(mountPoint, { recursive: true, withFileTypes: true }))
          .filter((entry) => entry.isFile() && !entry.name.startsWith('images.db'))
          .map(({ name }) => name);
      registry.addImage('x', 'v', bulkyImage(1, 1_800_000)); // spool and layer together are too much
      const reference = `${registry.address}/x:v`;
      await assert.rejects(
        fixture.store.pull({ reference }, () => undefined, patience()),
        failure('resource_exhausted', /no space left/),
      );
      assert.deepEqual(await left(), []);
      await assert.rejects(
        fixture.store.import(
          Readable.from([tarOf([{ name: 'f', content: randomBytes(4_000_000) }])]),
          { message: '', changes: [] },
          patience(),
        ),
        failure('resource_exhausted', /no space left/),
      );
      assert.deepEqual(await left(), []);
      await run('mount', ['-o', 'remount,size=20m', mountPoint]);
      await fixture.store.pull({ reference }, () => undefined, patience());
      assert.equal((await left()).length, 1);
    } finally {
      await run('umount', [mountPoint]);
      await rm(mountPoint, { recursive: true });
    }
  },
);

test('closing the store ends what is under way and leaves nothing half made', async () => {
  await using fixture = await openStore();
  const begun = Promise.withResolvers<undefined>();
  async function* endless(): AsyncGenerator<Buffer> {
    yield tarOf([{ name: 'f', content: randomBytes(300_000) }]).subarray(0, 200_000);
    begun.resolve(undefined);
    await new Promise(() => undefined);
  }
  const importing = fixture.store.import(endless(), { message: '', changes: [] }, patience());
  const ended = assert.rejects(importing, failure('canceled', /stopping/));
  await begun.promise;
  await fixture.store[Symbol.asyncDispose]();
  await ended;
  assert.deepEqual(await fixture.files(), []);
});
