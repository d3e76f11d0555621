/** Pulls from registries that behave, break, redirect and lie. */
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import type { OpenImageStore } from '../../src/image/image-store.ts';
import { configOf, registryImage, sha256, tarOf, type RegistryImage } from '../e2e/crafted-image.ts';
import { FakeRegistry, sendError } from './image-fake-registry.ts';
import {
  bulkyImage,
  failure,
  layerDigests,
  nobody,
  openStore,
  patience,
  recorder,
} from './image-store-fixture.ts';

const hello = tarOf([{ name: 'hello', content: 'hello\n' }]);
const pull = (store: OpenImageStore, reference: string, signal = patience()) =>
  store.pull({ reference }, () => undefined, signal);

test('the first pull downloads, the second finds everything; progress is in Docker’s words', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const { store } = fixture;
  const image = bulkyImage(2, 300_000);
  const digest = registry.addImage('a/b', 'v1', image);
  const reference = `${registry.address}/a/b:v1`;
  const { seen, report } = recorder();
  const [pulled] = await store.pull({ reference }, report, patience());
  assert.ok(pulled);
  assert.deepEqual(pulled.repoTags, [reference]);
  assert.deepEqual(pulled.repoDigests, [`${registry.address}/a/b@${digest}`]);
  assert.equal(pulled.id, sha256([...image.blobs.values()][0] ?? ''));

  assert.deepEqual(seen[0], { id: 'v1', status: 'Pulling from a/b' });
  const id = layerDigests(image)[0]?.slice(7, 19);
  const statuses = seen.filter((p) => p.id === id).map((p) => p.status);
  assert.deepEqual(
    [...new Set(statuses)],
    [
      'Pulling fs layer',
      'Waiting',
      'Downloading',
      'Verifying Checksum',
      'Download complete',
      'Extracting',
      'Pull complete',
    ],
  );
  const last = seen.findLast((p) => p.id === id && p.status === 'Downloading');
  assert.equal(last?.current, last?.total);
  assert.deepEqual(seen.slice(-2), [
    { status: `Digest: ${digest}` },
    { status: `Status: Downloaded newer image for ${reference}` },
  ]);

  const asked = registry.blobRequests().length;
  const again = recorder();
  await store.pull({ reference }, again.report, patience());
  assert.equal(again.seen.filter((p) => p.status === 'Already exists').length, 2);
  assert.deepEqual(again.seen.at(-1), { status: `Status: Image is up to date for ${reference}` });
  assert.equal(registry.blobRequests().length, asked + 1, 'only the config is fetched again');
  assert.deepEqual(
    await fixture.files(),
    pulled.diffIds.map((diffId) => `layers/sha256/${diffId.slice(7)}.erofs`).sort(),
  );
  for (const file of await fixture.files())
    assert.equal((await stat(join(fixture.directory, file))).mode & 0o777, 0o444);
});

/** The same layers in another dress. */
function dressed(compress: (tar: Buffer) => Buffer, layerType: string, manifestType?: string): RegistryImage {
  const config = configOf({ layers: [hello] });
  const layer = compress(hello);
  const blob = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
  });
  const isDocker = manifestType !== undefined;
  const configType = isDocker
    ? 'application/vnd.docker.container.image.v1+json'
    : 'application/vnd.oci.image.config.v1+json';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      ...(isDocker && { mediaType: manifestType }),
      config: blob(configType, config),
      layers: [blob(layerType, layer)],
    }),
  );
  return { manifest, blobs: new Map([config, layer].map((bytes) => [sha256(bytes), bytes])) };
}

test('gzip, zstd and plain layers, OCI and Docker manifests: all the same layer', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const oci = 'application/vnd.oci.image.layer.v1.tar';
  const docker = 'application/vnd.docker.distribution.manifest.v2+json';
  registry.addImage('x', 'gzip', registryImage({ layers: [hello] }));
  registry.addImage(
    'x',
    'zstd',
    dressed((tar) => zstdCompressSync(tar), `${oci}+zstd`),
  );
  registry.addImage(
    'x',
    'plain',
    dressed((tar) => tar, oci),
  );
  registry.addImage(
    'x',
    'docker',
    dressed((tar) => tar, 'application/vnd.docker.image.rootfs.diff.tar.gzip', docker),
    docker,
  );
  for (const tag of ['gzip', 'zstd', 'plain', 'docker']) {
    const [image] = await pull(fixture.store, `${registry.address}/x:${tag}`);
    assert.deepEqual(image?.diffIds, [sha256(hello)]);
    await fixture.store.remove(`${registry.address}/x:${tag}`, { force: true, prune: true, inUse: nobody });
    assert.deepEqual(await fixture.files(), []);
  }
  registry.addImage(
    'x',
    'lie',
    dressed((tar) => zstdCompressSync(tar), `${oci}+gzip`),
  );
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x:lie`),
    failure('data_loss', /compressed with zstd, but its media type says compressed with gzip/),
  );
  assert.deepEqual(await fixture.files(), []);
});

test('an index: the platform’s image, by tag and by digest', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const images = {
    amd64: registryImage({ layers: [hello] }),
    arm64: registryImage({ layers: [hello], architecture: 'arm64' }),
  };
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const manifests = Object.entries(images).map(([architecture, image]) => ({
    mediaType: type,
    digest: registry.addImage('x', architecture, image),
    size: image.manifest.length,
    platform: { os: 'linux', architecture },
  }));
  const index = {
    schemaVersion: 2,
    manifests: [...manifests, { ...manifests[0], platform: { os: 'unknown', architecture: 'unknown' } }],
  };
  const digest = registry.addManifest('x', 'multi', index, 'application/vnd.oci.image.index.v1+json');
  const [ours] = await pull(fixture.store, `${registry.address}/x:multi`);
  assert.equal(ours?.architecture, 'amd64');
  assert.deepEqual(ours.repoDigests, [`${registry.address}/x@${digest}`]);
  const [byDigest] = await pull(fixture.store, `${registry.address}/x@${digest}`);
  assert.equal(byDigest?.id, ours.id);
  assert.equal(fixture.store.get(`${registry.address}/x@${digest}`).id, ours.id);
  const [other] = await fixture.store.pull(
    { reference: `${registry.address}/x:multi`, platform: 'linux/arm64' },
    () => undefined,
    patience(),
  );
  assert.equal(other?.architecture, 'arm64');
  await assert.rejects(
    fixture.store.pull(
      { reference: `${registry.address}/x:multi`, platform: 'linux/s390x' },
      () => undefined,
      patience(),
    ),
    failure('not_found', /no matching manifest for linux\/s390x/, /linux\/amd64, linux\/arm64/),
  );
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x:arm64`),
    failure('not_found', /linux\/arm64, not for linux\/amd64/),
  );
});

test('what is not there, or not allowed, in Docker’s words', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  await assert.rejects(
    pull(fixture.store, `${registry.address}/no:tag`),
    failure('not_found', /manifest for .*\/no:tag not found: manifest unknown/),
  );
  registry.intercept = (_request, response) => {
    sendError(response, 403, 'DENIED', 'requested access to the resource is denied');
    return true;
  };
  await assert.rejects(
    pull(fixture.store, `${registry.address}/secret`),
    failure(
      'not_found',
      /pull access denied for .*\/secret, repository does not exist or may require 'docker login': denied: requested access/,
    ),
  );
  await assert.rejects(
    pull(fixture.store, 'no-such-host.invalid/x'),
    failure('unavailable', /no-such-host\.invalid\/x/, /no such host/),
  );
});

test('what cannot run is refused before a layer is fetched', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const type = 'application/vnd.oci.image.manifest.v1+json';
  registry.addManifest(
    'x',
    'schema1',
    { schemaVersion: 1, name: 'x', fsLayers: [] },
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
  );
  registry.addManifest(
    'x',
    'helm',
    {
      schemaVersion: 2,
      config: { mediaType: 'application/vnd.cncf.helm.config.v1+json', digest: sha256('x'), size: 1 },
      layers: [],
    },
    type,
  );
  registry.addManifest('x', 'huge', Buffer.alloc(5 * 1024 * 1024, 0x20), type);
  registry.addImage('x', 'empty', registryImage({ layers: [] }));
  registry.addImage('x', 'windows', registryImage({ layers: [hello], os: 'windows' }));
  registry.addImage(
    'x',
    'miscounted',
    registryImage({ layers: [hello], diffIds: [sha256('1'), sha256('2')] }),
  );
  const cases = [
    ['schema1', failure('unimplemented', /schema 1/)],
    ['helm', failure('invalid_argument', /not a container image.*helm/)],
    ['huge', failure('resource_exhausted', /larger than/)],
    ['empty', failure('invalid_argument', /no layers/)],
    ['windows', failure('invalid_argument', /windows/)],
    ['miscounted', failure('invalid_argument', /1 layers, its config 2/)],
  ] as const;
  for (const [tag, refused] of cases)
    await assert.rejects(pull(fixture.store, `${registry.address}/x:${tag}`), refused);
  assert.deepEqual(await fixture.files(), []);
  assert.deepEqual(fixture.store.usage(), { layers: 0, images: 0, bytes: 0 });
});

test('lies about digests, sizes and diff IDs leave nothing', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  const image = bulkyImage(1, 100_000);
  const [digest = ''] = layerDigests(image);
  const blob = image.blobs.get(digest) ?? Buffer.alloc(0);
  registry.addImage('x', 'v', image);
  const lie = async (bytes: Buffer, refused: (error: unknown) => boolean) => {
    registry.addBlob(digest, bytes);
    await assert.rejects(pull(fixture.store, `${registry.address}/x:v`), refused);
    assert.deepEqual(await fixture.files(), []);
    assert.equal(fixture.store.usage().layers, 0);
  };
  const flipped = Buffer.from(blob);
  flipped.writeUInt8(flipped.readUInt8(50_000) ^ 0xff, 50_000);
  await lie(flipped, failure('data_loss', new RegExp(digest.slice(7, 19))));
  await lie(Buffer.concat([blob, Buffer.alloc(10)]), failure('data_loss', /longer than/));
  await lie(blob.subarray(0, 5000), failure('data_loss', /5000 bytes/));
  await lie(Buffer.alloc(blob.length), failure('data_loss', /not compressed/));
  registry.addImage('x', 'v', registryImage({ layers: [hello], diffIds: [sha256('other')] }));
  await assert.rejects(pull(fixture.store, `${registry.address}/x:v`), failure('data_loss', /diff ID/));
  assert.deepEqual(await fixture.files(), []);
  const manifestDigest = sha256('another manifest');
  registry.intercept = (request, response) => {
    if (request.url?.includes('/manifests/') !== true) return false;
    response
      .writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' })
      .end(image.manifest);
    return true;
  };
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x@${manifestDigest}`),
    failure('data_loss', /digest/),
  );
});

test('mirrors come first, without the registry’s credentials, and are given up quickly', async () => {
  await using mirror = await FakeRegistry.start();
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore({
    registries: { mirrors: { [registry.address]: [`http://${mirror.address}`] }, insecure: [] },
  });
  const image = registryImage({ layers: [hello] });
  mirror.addImage('x', 'v', image);
  registry.addImage('x', 'v', image);
  registry.addImage('x', 'w', registryImage({ layers: [tarOf([{ name: 'w' }])] }));
  const credentials = { username: 'u', password: 'p' };
  await fixture.store.pull(
    { reference: `${registry.address}/x:v`, credentials },
    () => undefined,
    patience(),
  );
  assert.equal(registry.requests.length, 0);
  assert.ok(mirror.requests.every(({ authorization }) => authorization === undefined));
  await pull(fixture.store, `${registry.address}/x:w`);
  mirror.intercept = (_request, response) => {
    sendError(response, 503, 'UNAVAILABLE', 'down');
    return true;
  };
  const before = mirror.requests.length;
  await pull(fixture.store, `${registry.address}/x:w`);
  assert.equal(mirror.requests.length - before, 2, 'manifest and config, once each');
});

test('all tags of a repository, page by page', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  for (const tag of ['a', 'b', 'c'])
    registry.addImage('x', tag, registryImage({ layers: [tarOf([{ name: tag }])] }));
  registry.intercept = (request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    if (url.pathname !== '/v2/x/tags/list') return false;
    const page = url.searchParams.get('last') === 'b' ? { tags: ['c'] } : { tags: ['a', 'b'] };
    if (page.tags.length === 2) response.setHeader('link', '</v2/x/tags/list?last=b&n=2>; rel="next"');
    response.end(JSON.stringify({ name: 'x', ...page }));
    return true;
  };
  const images = await fixture.store.pull(
    { reference: `${registry.address}/x`, allTags: true },
    () => undefined,
    patience(),
  );
  assert.deepEqual(
    images.map((image) => image.repoTags[0]),
    ['a', 'b', 'c'].map((tag) => `${registry.address}/x:${tag}`),
  );
  await assert.rejects(
    fixture.store.pull({ reference: `${registry.address}/x:a`, allTags: true }, () => undefined, patience()),
    failure('invalid_argument', /all tags/),
  );
});

test('the raw configuration is kept as it came', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  registry.addImage(
    'x',
    'v',
    registryImage({ layers: [hello], config: { Cmd: ['/x'], Labels: { a: 'b' }, Odd: 1 } }),
  );
  const [image] = await pull(fixture.store, `${registry.address}/x:v`);
  assert.deepEqual(image?.rawConfig['config'], { Cmd: ['/x'], Labels: { a: 'b' }, Odd: 1 });
  const [layer] = fixture.store.hold('owner', image.id);
  assert.equal((await readFile(layer?.path ?? '')).readUInt32LE(1024), 0xe0f5e1e2);
});
