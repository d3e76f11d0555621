/** Archives of every kind become images; archives that are none, lie or attack become errors and leave nothing. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import {
  configOf,
  dockerArchive,
  registryImage,
  sha256,
  tarOf,
  type TarEntry,
} from '../e2e/crafted-image.ts';
import { failure, openStore, patience, recorder, type StoreFixture } from './image-store-fixture.ts';

const run = promisify(execFile);
const layers = [tarOf([{ name: 'a', content: 'a' }]), tarOf([{ name: 'b', content: 'b'.repeat(10_000) }])];
const config = configOf({ layers });
const load = (fixture: StoreFixture, bytes: Buffer | Buffer[]) =>
  fixture.store.load(Readable.from(Array.isArray(bytes) ? bytes : [bytes]), () => undefined, patience());

async function refused(
  fixture: StoreFixture,
  archive: Buffer,
  expected: (error: unknown) => boolean,
): Promise<void> {
  await assert.rejects(load(fixture, archive), expected);
  assert.deepEqual(await fixture.files(), []);
  assert.deepEqual(fixture.store.usage(), { layers: 0, images: 0, bytes: 0 });
}

test('what skopeo writes: Docker archive and OCI layout, plain and compressed', async () => {
  await using fixture = await openStore();
  const directory = await mkdtemp(join(tmpdir(), 'dvm-archives-'));
  try {
    const at = (name: string) => join(directory, name);
    await writeFile(at('made.tar'), dockerArchive({ layers }, 'made:1'));
    await run('skopeo', [
      'copy',
      `docker-archive:${at('made.tar')}`,
      `docker-archive:${at('docker.tar')}:skopeo/docker:1`,
    ]);
    await run('skopeo', [
      'copy',
      `docker-archive:${at('made.tar')}`,
      `oci-archive:${at('oci.tar')}:skopeo/oci:1`,
    ]);
    await run('gzip', ['-k', at('oci.tar')]);
    for (const [file, tag] of [
      ['docker.tar', 'skopeo/docker:1'],
      ['oci.tar', 'skopeo/oci:1'],
      ['oci.tar.gz', 'skopeo/oci:1'],
    ] as const) {
      const [image] = await fixture.store.load(createReadStream(at(file)), () => undefined, patience());
      assert.ok(image?.repoTags.includes(tag) === true, file);
      assert.deepEqual(
        image.diffIds,
        layers.map((layer) => sha256(layer)),
      );
    }
    assert.equal((await fixture.files()).length, 2);
  } finally {
    await rm(directory, { recursive: true });
  }
});

/** As `docker save` has written since 25: an OCI layout with a manifest.json. */
function modernArchive(): Buffer {
  const blob = (bytes: Buffer): TarEntry => ({
    name: `blobs/sha256/${sha256(bytes).slice(7)}`,
    content: bytes,
  });
  const path = (bytes: Buffer) => `blobs/sha256/${sha256(bytes).slice(7)}`;
  const image = registryImage({ layers });
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: sha256(image.manifest),
        size: image.manifest.length,
      },
    ],
  };
  return tarOf([
    { name: 'blobs/', type: 'directory' },
    ...[...layers, config, image.manifest].map(blob),
    { name: 'index.json', content: JSON.stringify(index) },
    {
      name: 'manifest.json',
      content: JSON.stringify([
        { Config: path(config), RepoTags: ['modern:1', 'modern:2'], Layers: layers.map(path) },
      ]),
    },
    { name: 'oci-layout', content: '{"imageLayoutVersion": "1.0.0"}' },
    { name: 'repositories', content: '{}' },
  ]);
}

test('what docker save writes, now and formerly; the second time nothing is converted', async () => {
  await using fixture = await openStore();
  const [modern] = await load(fixture, modernArchive());
  assert.deepEqual(modern?.repoTags, ['modern:1', 'modern:2']);
  const before = await fixture.files();
  await load(fixture, modernArchive());
  assert.deepEqual(await fixture.files(), before);

  // Before 25: a directory for each layer, links where two images share one.
  const former = tarOf([
    { name: 'aa/layer.tar', content: layers[0] ?? '' },
    { name: 'bb/layer.tar', content: layers[1] ?? '' },
    { name: 'cc/layer.tar', type: 'symlink', linkname: '../aa/layer.tar' },
    { name: 'aa/json', content: '{}' },
    { name: 'aa/VERSION', content: '1.0' },
    { name: 'one.json', content: config },
    {
      name: 'two.json',
      content: configOf({ layers: [layers[1], layers[0]].map((layer) => layer ?? Buffer.alloc(0)) }),
    },
    {
      name: 'manifest.json',
      content: JSON.stringify([
        { Config: 'one.json', RepoTags: ['former/one:1'], Layers: ['aa/layer.tar', 'bb/layer.tar'] },
        { Config: 'two.json', RepoTags: null, Layers: ['bb/layer.tar', 'cc/layer.tar'] },
      ]),
    },
  ]);
  const images = await load(fixture, former);
  assert.deepEqual(
    images.map(({ repoTags }) => repoTags),
    [['former/one:1', 'modern:1', 'modern:2'], []],
  );
  assert.equal(images[0]?.id, modern.id);
});

test('an OCI layout: names, platforms, an index inside', async () => {
  await using fixture = await openStore();
  const entries: TarEntry[] = [];
  const add = (bytes: Buffer) => {
    const name = `./blobs/sha256/${sha256(bytes).slice(7)}`;
    if (!entries.some((entry) => entry.name === name)) entries.push({ name, content: bytes });
    return { digest: sha256(bytes), size: bytes.length };
  };
  const make = (architecture: string) => {
    const image = registryImage({ layers, architecture });
    for (const bytes of image.blobs.values()) add(bytes);
    return {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      ...add(image.manifest),
      platform: { os: 'linux', architecture },
    };
  };
  const [amd64, arm64] = [make('amd64'), make('arm64')];
  const nested = add(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [arm64, amd64] })));
  const named = (descriptor: object, annotations: Record<string, string>) => ({ ...descriptor, annotations });
  const archive = (manifests: object[]) =>
    tarOf([...entries, { name: './index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) }]);
  const index = { mediaType: 'application/vnd.oci.image.index.v1+json', ...nested };

  const [inside] = await load(
    fixture,
    archive([
      named(index, {
        'io.containerd.image.name': 'docker.io/library/nested:1',
        'org.opencontainers.image.ref.name': '1',
      }),
    ]),
  );
  assert.deepEqual([inside?.architecture, inside?.repoTags], ['amd64', ['nested:1']]);
  const [byPlatform, ...others] = await load(fixture, archive([named(arm64, {}), named(amd64, {})]));
  assert.deepEqual([byPlatform?.architecture, others.length], ['amd64', 0]);
  const both = await load(
    fixture,
    archive([
      named(arm64, { 'org.opencontainers.image.ref.name': 'ghcr.io/a/b:arm' }),
      named(amd64, { 'org.opencontainers.image.ref.name': 'just-a-tag' }),
    ]),
  );
  assert.deepEqual(
    both.map(({ architecture, repoTags }) => [architecture, repoTags]),
    [
      ['arm64', ['ghcr.io/a/b:arm']],
      ['amd64', ['nested:1']],
    ],
  );
});

test('from any stream: a byte at a time, compressed outside, with progress', async () => {
  await using fixture = await openStore();
  const archive = modernArchive();
  const { seen, report } = recorder();
  await fixture.store.load(Readable.from([...archive].map((byte) => Buffer.of(byte))), report, patience());
  assert.ok(seen.some(({ status, current, total }) => status === 'Loading layer' && current === total));
  await load(fixture, gzipSync(archive));
  await load(fixture, zstdCompressSync(archive));
  assert.equal(fixture.store.usage().images, 1);
});

test('archives that are none, are cut short, or lie', async () => {
  await using fixture = await openStore();
  const docker = (
    entry: Partial<{ Config: string; RepoTags: string[]; Layers: string[] }>,
    more: TarEntry[] = [],
  ) =>
    tarOf([
      { name: 'c.json', content: config },
      { name: 'l1.tar', content: layers[0] ?? '' },
      { name: 'l2.tar', content: layers[1] ?? '' },
      ...more,
      {
        name: 'manifest.json',
        content: JSON.stringify([
          { Config: 'c.json', RepoTags: ['x:1'], Layers: ['l1.tar', 'l2.tar'], ...entry },
        ]),
      },
    ]);
  await refused(fixture, Buffer.alloc(0), failure('invalid_argument', /empty/));
  await refused(
    fixture,
    Buffer.from('no archive at all, '.repeat(100)),
    failure('invalid_argument', /archive/),
  );
  await refused(fixture, docker({}).subarray(0, 3000), failure('invalid_argument', /truncated/));
  await refused(fixture, gzipSync(docker({})).subarray(0, 200), failure('data_loss', /corrupt/));
  await refused(
    fixture,
    tarOf([{ name: 'a', content: 'x' }]),
    failure('invalid_argument', /manifest\.json.*index\.json/),
  );
  await refused(
    fixture,
    tarOf([{ name: 'manifest.json', content: '[]' }]),
    failure('invalid_argument', /no image/),
  );
  await refused(
    fixture,
    tarOf([{ name: 'manifest.json', content: '{}' }]),
    failure('invalid_argument', /manifest\.json is not valid/),
  );
  await refused(
    fixture,
    docker({ Layers: ['l1.tar'] }),
    failure('invalid_argument', /1 layers, its config 2/),
  );
  await refused(fixture, docker({ Layers: ['l2.tar', 'l1.tar'] }), failure('data_loss', /diff ID/));
  await refused(
    fixture,
    docker({ Layers: ['l1.tar', 'l3.tar'] }),
    failure('invalid_argument', /"l3\.tar" is missing/),
  );
  await refused(
    fixture,
    docker({ Layers: ['l1.tar', '../../etc/shadow'] }),
    failure('invalid_argument', /leaves the root/),
  );
  await refused(fixture, docker({ Config: 'd.json' }), failure('invalid_argument', /"d\.json" is missing/));
  await refused(fixture, docker({ RepoTags: ['UPPER:x:y'] }), failure('invalid_argument', /UPPER/));
  await refused(fixture, docker({ Layers: [] }), failure('invalid_argument', /0 layers/));
  await refused(
    fixture,
    docker({ Layers: ['l1.tar', 'junk'] }, [{ name: 'junk', content: 'not a tar' }]),
    failure('invalid_argument', /"junk" in the archive is no layer/),
  );
  await refused(
    fixture,
    docker({}, [{ name: 'l2.tar', content: layers[0] ?? '' }]),
    failure('invalid_argument', /"l2\.tar" twice/),
  );
  await refused(
    fixture,
    docker({ Layers: ['l1.tar', 'loop'] }, [{ name: 'loop', type: 'symlink', linkname: 'loop' }]),
    failure('invalid_argument', /loop/),
  );
  const wrong = { name: `blobs/sha256/${'0'.repeat(64)}`, content: layers[0] ?? '' };
  await refused(fixture, docker({ Layers: [wrong.name, 'l2.tar'] }, [wrong]), failure('data_loss', /digest/));
  await refused(
    fixture,
    tarOf([
      { name: 'c', content: configOf({ layers, os: 'windows' }) },
      { name: 'a', content: layers[0] ?? '' },
      { name: 'b', content: layers[1] ?? '' },
      {
        name: 'manifest.json',
        content: JSON.stringify([{ Config: 'c', RepoTags: ['x:1'], Layers: ['a', 'b'] }]),
      },
    ]),
    failure('invalid_argument', /windows/),
  );
});

test('one bad image of an archive is no half-loaded archive', async () => {
  await using fixture = await openStore();
  const archive = tarOf([
    { name: 'c', content: config },
    { name: 'a', content: layers[0] ?? '' },
    { name: 'b', content: layers[1] ?? '' },
    {
      name: 'manifest.json',
      content: JSON.stringify([
        { Config: 'c', RepoTags: ['good:1'], Layers: ['a', 'b'] },
        { Config: 'missing', RepoTags: ['bad:1'], Layers: ['a'] },
      ]),
    },
  ]);
  await refused(fixture, archive, failure('invalid_argument', /"missing" is missing/));
});

test('import: one layer, named, with its changes', async () => {
  await using fixture = await openStore();
  const tar = layers[0] ?? Buffer.alloc(0);
  const changes = [
    'CMD ["/bin/x", "y"]',
    'env A=1 B="two words"',
    'ENV C three',
    'EXPOSE 80 53/UDP',
    'LABEL a.b=c',
    'USER app:app',
    'WORKDIR /w',
    'VOLUME ["/v"]',
    'STOPSIGNAL SIGINT',
    'ENTRYPOINT run it',
  ];
  for (const bytes of [tar, gzipSync(tar), zstdCompressSync(tar)]) {
    const image = await fixture.store.import(
      Readable.from([bytes]),
      { reference: 'imported', message: 'from a tar', changes },
      patience(),
    );
    assert.deepEqual(image.repoTags, ['imported:latest']);
    assert.deepEqual(image.diffIds, [sha256(tar)]);
    assert.equal(image.comment, 'from a tar');
    assert.deepEqual(image.config, {
      user: 'app:app',
      env: ['A=1', 'B=two words', 'C=three'],
      entrypoint: ['/bin/sh', '-c', 'run it'],
      cmd: ['/bin/x', 'y'],
      workingDir: '/w',
      stopSignal: 'SIGINT',
      labels: { 'a.b': 'c' },
      exposedPorts: ['80/tcp', '53/udp'],
      volumes: ['/v'],
    });
  }
  const attempt = (reference: string | undefined, change: string[], platform?: string) =>
    fixture.store.import(
      Readable.from([tar]),
      {
        message: '',
        changes: change,
        ...(reference !== undefined && { reference }),
        ...(platform !== undefined && { platform }),
      },
      patience(),
    );
  assert.deepEqual((await attempt(undefined, [])).repoTags, []);
  await assert.rejects(attempt('x', ['RUN rm -rf /']), failure('unimplemented', /RUN/));
  await assert.rejects(attempt('x', ['EXPOSE 99999']), failure('invalid_argument', /port/));
  await assert.rejects(attempt('x', ['ENV "open']), failure('invalid_argument', /quote/));
  await assert.rejects(attempt('Not/Valid', []), failure('invalid_argument'));
  await assert.rejects(attempt('x', [], 'windows/amd64'), failure('invalid_argument', /windows/));
});
