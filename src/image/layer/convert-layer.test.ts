import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { createGzip, gzipSync } from 'node:zlib';
import { sha256, tarOf, type TarEntry } from '../../../test/e2e/crafted-image.ts';
import { EngineError, type ErrorCode } from '../../errors/engine-error.ts';
import { parseDigest } from '../../oci/digest.ts';
import { convertLayer, type ConvertedLayer, type LayerSource } from './convert-layer.ts';
import { defaultLayerLimits, type LayerLimits } from './layer-limits.ts';

const patience = () => AbortSignal.timeout(60_000);

/** Converts into a directory of its own; what is left there afterwards is checked and removed. */
async function convert(
  bytes: Iterable<Buffer> | AsyncIterable<Buffer>,
  limits: Partial<LayerLimits> = {},
  source: Partial<LayerSource> = {},
  signal = patience(),
): Promise<ConvertedLayer> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-convert-'));
  const path = join(directory, 'layer.erofs');
  try {
    const layer = await convertLayer(
      { what: 'layer 1234', bytes: Readable.from(bytes), compression: 'any', ...source },
      path,
      { ...defaultLayerLimits, ...limits },
      signal,
    );
    assert.equal((await stat(path)).size, layer.fileBytes);
    return layer;
  } catch (error) {
    assert.deepEqual(await readdir(directory), [], 'a layer that failed leaves no file');
    throw error;
  } finally {
    await rm(directory, { recursive: true });
  }
}

function refused(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof EngineError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.match(error.message, /layer 1234/);
    return true;
  };
}

const hostile: readonly (readonly [
  what: string,
  entries: readonly TarEntry[],
  code: ErrorCode,
  message: RegExp,
])[] = [
  ['..', [{ name: '../x' }], 'invalid_argument', /"\.\.\/x" leaves the root/],
  ['.. in the middle', [{ name: 'a/../../x' }], 'invalid_argument', /leaves the root/],
  ['.. behind a slash', [{ name: '/../x' }], 'invalid_argument', /leaves the root/],
  [
    'the root as a file',
    [{ name: './', type: 'symlink', linkname: '/etc' }],
    'invalid_argument',
    /replace the root/,
  ],
  [
    'a hard link to outside',
    [{ name: 'l', type: 'link', linkname: '../../etc/passwd' }],
    'invalid_argument',
    /hard link "l".*leaves the root/,
  ],
  [
    'a hard link to nothing',
    [{ name: 'l', type: 'link', linkname: 'nothing' }],
    'invalid_argument',
    /hard link "l" to "nothing".*not in this layer/,
  ],
  [
    'a hard link to itself',
    [{ name: 'l', type: 'link', linkname: 'l' }],
    'invalid_argument',
    /not in this layer/,
  ],
  [
    'a hard link to a directory',
    [
      { name: 'd/', type: 'directory' },
      { name: 'l', type: 'link', linkname: 'd' },
    ],
    'invalid_argument',
    /is a directory/,
  ],
  [
    'a hard link to the root',
    [{ name: 'l', type: 'link', linkname: '/' }],
    'invalid_argument',
    /is a directory/,
  ],
  [
    'a hard link to a whiteout',
    [{ name: '.wh.x' }, { name: 'l', type: 'link', linkname: 'x' }],
    'invalid_argument',
    /not in this layer/,
  ],
  [
    'a file below a file',
    [{ name: 'f' }, { name: 'f/x' }],
    'invalid_argument',
    /"f", which is not a directory/,
  ],
  [
    'a loop of links',
    [
      { name: 'a', type: 'symlink', linkname: 'b' },
      { name: 'b', type: 'symlink', linkname: 'a' },
      { name: 'a/x' },
    ],
    'invalid_argument',
    /loop of symbolic links/,
  ],
  [
    'an empty link',
    [{ name: 'a', type: 'symlink', linkname: '' }],
    'invalid_argument',
    /target that is empty/,
  ],
  ['a whiteout of nothing', [{ name: '.wh.' }], 'invalid_argument', /whiteout of nothing/],
  ['a whiteout of ..', [{ name: 'a/.wh...' }], 'invalid_argument', /whiteout of nothing/],
  [
    'a device beyond Linux',
    [{ name: 'd', type: 'block', devmajor: 5000, devminor: 1 }],
    'invalid_argument',
    /device "d"/,
  ],
];
for (const [what, entries, code, message] of hostile) {
  test(`refused: ${what}`, async () => {
    await assert.rejects(convert([tarOf(entries)]), refused(code, message));
  });
}

test('limits: entries, depth, content, implied directories', async () => {
  const many = tarOf(Array.from({ length: 101 }, (_, i) => ({ name: `f${i}` })));
  await convert([many], { maxEntries: 101 });
  await assert.rejects(
    convert([many], { maxEntries: 100 }),
    refused('resource_exhausted', /more than 100 files/),
  );
  await assert.rejects(
    convert([tarOf([{ name: 'a/b/c/d/e' }])], { maxEntries: 4 }),
    refused('resource_exhausted', /more than 4 files/),
  );
  await assert.rejects(
    convert([tarOf([{ name: 'a/b/c/d' }])], { maxDepth: 3 }),
    refused('resource_exhausted', /4 directories deep/),
  );
  const deepLink: TarEntry[] = [
    { name: 'l', type: 'symlink', linkname: 'a/b/c/d' },
    { name: 'l/m', type: 'symlink', linkname: 'a/b/c/d' },
    { name: 'l/m/x' },
  ];
  await assert.rejects(
    convert([tarOf(deepLink)], { maxDepth: 6 }),
    refused('resource_exhausted', /deeper than 6/),
  );
  const big = tarOf([
    { name: 'a', content: Buffer.alloc(3000) },
    { name: 'b', content: Buffer.alloc(3000) },
  ]);
  await assert.rejects(convert([big], { maxBytes: 5000 }), refused('resource_exhausted', /5000 bytes/));
  const named = tarOf(Array.from({ length: 100 }, (_, i) => ({ name: `${i}`.padStart(90, 'n') })));
  await assert.rejects(
    convert([named], { maxMetadataBytes: 10_000 }),
    refused('resource_exhausted', /names and attributes/),
  );
});

test('an endless archive ends at its limit', async () => {
  const block = tarOf([{ name: 'f', content: Buffer.alloc(100_000) }]).subarray(0, -1024);
  async function* endless() {
    for (;;) yield await Promise.resolve(block);
  }
  await assert.rejects(
    convert(endless(), { maxBytes: 5_000_000 }),
    refused('resource_exhausted', /larger than 5000000|5000000 bytes/),
  );
  // Zeros behind the end mark count as well.
  async function* padded() {
    yield await Promise.resolve(tarOf([]));
    for (;;) yield Buffer.alloc(100_000);
  }
  await assert.rejects(
    convert(padded(), { maxBytes: 5_000_000 }),
    refused('resource_exhausted', /larger than 5000000/),
  );
});

test('a small blob does not become an enormous layer', async () => {
  const zeros = Readable.from(
    (function* () {
      yield tarOf([{ name: 'zeros', content: Buffer.alloc(512) }]).subarray(0, 512);
      for (let i = 0; i < 200; i++) yield Buffer.alloc(1_000_000);
    })(),
  );
  await assert.rejects(
    convert(zeros.pipe(createGzip()), { ratioFreeBytes: 10_000_000, maxExpansionRatio: 100 }),
    refused('resource_exhausted', /more than 100 times/),
  );
});

test('corrupt and truncated data', async () => {
  const tar = tarOf([{ name: 'f', content: 'x'.repeat(5000) }]);
  await assert.rejects(convert([tar.subarray(0, 3000)]), refused('invalid_argument', /truncated/));
  await assert.rejects(convert([Buffer.alloc(2000, 7)]), refused('invalid_argument', /checksum/));
  const zipped = gzipSync(tar);
  await assert.rejects(
    convert([zipped.subarray(0, zipped.length - 6)]),
    refused('data_loss', /corrupt: gzip/),
  );
  const bad = Buffer.from(zipped);
  bad.writeUInt8(bad.readUInt8(20) ^ 0xff, 20);
  await assert.rejects(convert([bad]), refused('data_loss', /corrupt: gzip/));
  // An archive without its end mark, and one of nothing, are whole.
  await convert([tar.subarray(0, tar.length - 1024)]);
  await convert([]);
  await convert([Buffer.alloc(1024)]);
});

test('digest, size, diff ID and media type are verified', async () => {
  const tar = tarOf([{ name: 'f', content: 'x' }]);
  const zipped = gzipSync(tar);
  const digest = parseDigest(sha256(zipped));
  const diffId = parseDigest(sha256(tar));
  const layer = await convert(
    [zipped],
    {},
    { compression: 'gzip', expected: { digest, size: zipped.length, diffId } },
  );
  assert.deepEqual(
    [layer.digest, layer.blobBytes, layer.diffId, layer.tarBytes],
    [digest, zipped.length, diffId, tar.length],
  );
  await assert.rejects(
    convert([zipped], {}, { expected: { digest: diffId } }),
    refused('data_loss', /verification failed for digest/),
  );
  await assert.rejects(
    convert([zipped], {}, { expected: { diffId: digest } }),
    refused('data_loss', /diff ID/),
  );
  await assert.rejects(
    convert([zipped], {}, { expected: { size: zipped.length - 1 } }),
    refused('data_loss', /longer than/),
  );
  await assert.rejects(
    convert([zipped], {}, { expected: { size: zipped.length + 1 } }),
    refused('data_loss', /its manifest says/),
  );
  await assert.rejects(convert([zipped], {}, { compression: 'none' }), refused('data_loss', /media type/));
});

test('giving up leaves nothing, with the giver’s reason', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  async function* source() {
    yield await Promise.resolve(tarOf([{ name: 'f', content: 'x'.repeat(100_000) }]).subarray(0, 50_000));
    controller.abort(reason);
    yield Buffer.alloc(1000);
  }
  await assert.rejects(convert(source(), {}, {}, controller.signal), reason);
});

test('without memory for tails, small files take a block each', async () => {
  const tar = tarOf(Array.from({ length: 200 }, (_, i) => ({ name: `f${i}`, content: 'x'.repeat(100) })));
  const inline = await convert([tar]);
  const blocks = await convert([tar], { tailBudgetBytes: 0 });
  assert.ok(inline.fileBytes < 60_000, `${inline.fileBytes} bytes`);
  assert.ok(blocks.fileBytes > 200 * 4096, `${blocks.fileBytes} bytes`);
});
