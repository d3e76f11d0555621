import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeRoomForSocket, permitSocket } from './socket.ts';

test('a stale socket makes room; a live one and another file do not', async () => {
  await using place = await temporaryPlace();
  const path = join(place.path, 'new/dvm.sock');
  await makeRoomForSocket(path); // makes the directory
  leaveStaleSocket(path);
  assert.ok(existsSync(path));
  await makeRoomForSocket(path);
  assert.ok(!existsSync(path));

  await using server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  await assert.rejects(makeRoomForSocket(path), {
    code: 'failed_precondition',
    message: /another daemon serves it/,
  });
  assert.ok(existsSync(path));

  const file = join(place.path, 'file');
  await writeFile(file, 'precious');
  await assert.rejects(makeRoomForSocket(file), { code: 'invalid_argument' });
  assert.ok(existsSync(file));
});

test('the socket is for its owner and a group that exists', async () => {
  await using place = await temporaryPlace();
  const path = join(place.path, 'dvm.sock');
  leaveStaleSocket(path);
  assert.match(permitSocket(path, 'no-such-group'), /its owner only/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(permitSocket(path, 'root'), /group root/);
  assert.equal(statSync(path).mode & 0o777, 0o660);
  assert.equal(statSync(path).gid, 0);
});

/** As a daemon that was killed leaves it. */
function leaveStaleSocket(path: string): void {
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program]);
}

async function temporaryPlace() {
  const path = await mkdtemp(join(tmpdir(), 'dvm-socket-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
