import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { claimDirectories } from './directories.ts';
import { instanceOf } from './instance.ts';

test('directories are made, for the VMMs to pass through, and hold one daemon', async () => {
  await using place = await temporaryPlace();
  const names = { data: join(place.path, 'a/data'), state: join(place.path, 'state') };
  const claim = claimDirectories(names);
  assert.equal((await stat(names.data)).mode & 0o777, 0o711);
  assert.throws(() => claimDirectories(names), {
    code: 'failed_precondition',
    message: new RegExp(`process ${process.pid}\\) uses --data-dir`),
  });
  // One directory in common is one too many; what was locked on the way is let go of.
  const other = { data: join(place.path, 'other'), state: names.state };
  assert.throws(() => claimDirectories(other), { message: /--state-dir/ });
  claim[Symbol.dispose]();
  claimDirectories(other)[Symbol.dispose]();
  claimDirectories(names)[Symbol.dispose]();
});

test('a directory of a newer version is refused and left as it is', async () => {
  await using place = await temporaryPlace();
  const names = { data: join(place.path, 'data'), state: join(place.path, 'state') };
  claimDirectories(names)[Symbol.dispose]();
  await writeFile(join(names.state, 'version'), '99\n');
  assert.throws(() => claimDirectories(names), {
    code: 'failed_precondition',
    message: /newer DVM \(layout 99/,
  });
  assert.equal(await readFile(join(names.state, 'version'), 'utf8'), '99\n');
  await writeFile(join(names.state, 'version'), 'nonsense');
  assert.throws(() => claimDirectories(names), { code: 'failed_precondition' });
});

test('what is no directory is refused', async () => {
  await using place = await temporaryPlace();
  const file = join(place.path, 'file');
  await writeFile(file, '');
  assert.throws(() => claimDirectories({ data: file, state: join(place.path, 'state') }), {
    code: 'invalid_argument',
  });
});

test('daemons side by side share neither user ids nor control group', () => {
  const standard = instanceOf({ stateDirectory: '/run/dvm', uids: undefined });
  const one = instanceOf({ stateDirectory: '/tmp/one', uids: undefined });
  const two = instanceOf({ stateDirectory: '/tmp/two', uids: undefined });
  assert.equal(new Set([standard, one, two].map((instance) => instance.cgroupName)).size, 3);
  for (const { uids } of [one, two]) assert.ok(uids.base >= standard.uids.base + standard.uids.count);
  assert.notEqual(one.uids.base, two.uids.base);
  assert.deepEqual(instanceOf({ stateDirectory: '/tmp/one', uids: { base: 5, count: 6 } }).uids, {
    base: 5,
    count: 6,
  });
});

async function temporaryPlace() {
  const path = await mkdtemp(join(tmpdir(), 'dvm-directories-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
