import assert from 'node:assert/strict';
import { mkdtempDisposable, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  fillFileAtomically,
  removeTemporaryFiles,
  temporaryNameFor,
  writeFileAtomically,
} from './atomic-file.ts';

test('a file is replaced whole, with its mode, and nothing stays beside it', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-atomic-'));
  const path = join(directory.path, 'state.json');
  await writeFile(path, 'old');
  await writeFileAtomically(path, 'new', { mode: 0o444 });
  assert.equal(await readFile(path, 'utf8'), 'new');
  assert.equal((await stat(path)).mode & 0o777, 0o444);
  assert.deepEqual(await readdir(directory.path), ['state.json']);
});

test('a failure while it is filled leaves the old file and nothing else', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-atomic-'));
  const path = join(directory.path, 'state.json');
  await writeFile(path, 'old');
  const filling = fillFileAtomically(path, async (file) => {
    await file.writeFile('half of the n');
    throw new Error('power cut');
  });
  await assert.rejects(filling, /power cut/);
  assert.equal(await readFile(path, 'utf8'), 'old');
  assert.deepEqual(await readdir(directory.path), ['state.json']);
});

test('what a crash left is removed, and only that', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-atomic-'));
  const path = join(directory.path, 'state.json');
  await writeFile(temporaryNameFor(path), 'half');
  await writeFile(join(directory.path, '.state.json.tmp'), "somebody else's");
  assert.equal((await removeTemporaryFiles(directory.path)).length, 1);
  assert.deepEqual(await readdir(directory.path), ['.state.json.tmp']);
});
