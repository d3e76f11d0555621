import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { tryLockFile } from './file-lock.ts';

test('a lock is held against others until it is disposed', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'lock');
  const first = tryLockFile(path);
  assert.ok(!('heldBy' in first));
  assert.deepEqual(tryLockFile(path), { heldBy: process.pid });
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  const second = tryLockFile(path);
  assert.ok(!('heldBy' in second));
  second[Symbol.dispose]();
});

test('the death of its holder lets go of a lock', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'lock');
  const program = `
    import { tryLockFile } from ${JSON.stringify(join(import.meta.dirname, 'file-lock.ts'))};
    globalThis.held = tryLockFile(${JSON.stringify(path)});
    console.log('held');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(holder.stdout, 'data');
  assert.deepEqual(tryLockFile(path), { heldBy: holder.pid });
  const exited = once(holder, 'exit');
  holder.kill('SIGKILL');
  await exited;
  const lock = tryLockFile(path);
  assert.ok(!('heldBy' in lock));
  lock[Symbol.dispose]();
});

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), 'dvm-lock-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
