import assert from 'node:assert/strict';
import { mkdtempDisposable, open, readFile, readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { copySparseFile, dataExtents, writeFully } from './sparse-file.ts';

const holeBytes = 64 << 20;

test('a copy has the same bytes and the same holes', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-sparse-'));
  const from = join(directory.path, 'from');
  const to = join(directory.path, 'to');
  {
    await using file = await open(from, 'w');
    await writeFully(file, Buffer.from('start'), 0);
    await writeFully(file, Buffer.from('middle'), holeBytes);
    await file.truncate(2 * holeBytes);
  }
  await copySparseFile(from, to, AbortSignal.timeout(10_000));
  assert.deepEqual(await readFile(to), await readFile(from));
  const { size, blocks } = await stat(to);
  assert.equal(size, 2 * holeBytes);
  assert.ok(blocks * 512 < 1 << 20, `takes ${blocks * 512} bytes on the disk`);
  await using copied = await open(to, 'r');
  assert.deepEqual(
    [...dataExtents(copied.fd, size)].map((extent) => extent.offset),
    [0, holeBytes],
  );
});

test('a copy that is given up leaves nothing, and never overwrites', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-sparse-'));
  const from = join(directory.path, 'from');
  await (await open(from, 'w')).close();
  await assert.rejects(
    copySparseFile(from, join(directory.path, 'to'), AbortSignal.abort(new Error('no'))),
    /no/,
  );
  await assert.rejects(copySparseFile(from, from, AbortSignal.timeout(10_000)), /EEXIST/);
  assert.deepEqual(await readdir(directory.path), ['from']);
});
