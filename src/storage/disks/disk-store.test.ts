import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { runCommand } from '../../system/run-command.ts';
import { SparseDiskStore } from './disk-store.ts';

const id = 'a'.repeat(64);
const signal = new AbortController().signal;

async function directoryFor(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-disks-'));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

for (const [name, bytes] of [
  ['16 MiB', 16 << 20],
  ['100 MiB', 100 << 20],
  ['10 GiB', 10 * 2 ** 30],
  ['1 TiB', 2 ** 40],
] as const) {
  test(`a disk of ${name} is a whole, empty, sparse ext4 file system`, async (context) => {
    const store = new SparseDiskStore({ directory: await directoryFor(context) });
    const path = await store.ensure(id, bytes, signal);
    await runCommand('e2fsck', ['-fn', path], { timeoutMs: 120_000 });
    assert.equal((await stat(path)).size, bytes);
    // A large one has group descriptors, and the bitmaps of the groups that hold the others' metadata.
    const metadata = (256 << 10) + (bytes / 2 ** 27) * 512;
    assert.ok((await store.usage(id)) <= metadata, `takes ${await store.usage(id)} bytes`);
  });
}

test('the copy has every block that mke2fs wrote', async (context) => {
  const directory = await directoryFor(context);
  const store = new SparseDiskStore({ directory });
  const path = await store.ensure(id, 300 << 20, signal);
  const dump = await runCommand('dumpe2fs', [path]);
  assert.match(dump.stdout.toString(), /Reserved block count: +0\n/);
  assert.match(dump.stdout.toString(), /has_journal/);
  assert.doesNotMatch(dump.stdout.toString(), /metadata_csum|64bit/);
  assert.match(
    (await runCommand('debugfs', ['-R', 'ls -l /', path])).stdout.toString(),
    /40755 .* lost\+found|lost\+found/,
  );
  await runCommand('e2fsck', ['-fn', path]);
});

test('a disk that is there is kept', async (context) => {
  const store = new SparseDiskStore({ directory: await directoryFor(context) });
  const path = await store.ensure(id, 16 << 20, signal);
  await writeFile(path, 'the container wrote this');
  assert.equal(await store.ensure(id, 16 << 20, signal), path);
  assert.equal((await stat(path)).size, 'the container wrote this'.length);
});

test('removing leaves nothing, and may be done twice', async (context) => {
  const directory = await directoryFor(context);
  const store = new SparseDiskStore({ directory });
  await store.ensure(id, 16 << 20, signal);
  await store.remove(id);
  await store.remove(id);
  assert.deepEqual(await readdir(directory), []);
  assert.equal(await store.usage(id), 0);
});

test('disks of containers that do not exist are strays, half-made ones too', async (context) => {
  const directory = await directoryFor(context);
  const store = new SparseDiskStore({ directory });
  await store.ensure(id, 16 << 20, signal);
  await store.ensure('b'.repeat(64), 16 << 20, signal);
  await writeFile(join(directory, `.${id}.ext4.77.0123456789ab.tmp`), 'half');
  await store.removeStrays(new Set([id]));
  assert.deepEqual(await readdir(directory), [`${id}.ext4`]);
});

test('sizes that no disk can have are refused', async (context) => {
  const store = new SparseDiskStore({ directory: await directoryFor(context) });
  for (const bytes of [0, 1, -1, Number.NaN, 2 ** 60])
    await assert.rejects(store.ensure(id, bytes, signal), { code: 'invalid_argument' });
});
