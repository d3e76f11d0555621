import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtempDisposable, open, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeWithDescriptor } from './pass-descriptor.ts';
import { connectToUnixSocket, listenOnUnixSocket } from './unix-socket.ts';

/** Accepts one connection on descriptor 3, takes a descriptor from it and answers with the file's content. */
const receiver = `
import socket, os
server = socket.socket(fileno=3)
peer, _ = server.accept()
data, fds, flags, _ = socket.recv_fds(peer, 100, 4)
peer.sendall(data + b' ' + str(len(fds)).encode() + b' ' + os.pread(fds[0], 100, 0))
`;

for (const [what, depth] of [
  ['a short path', 0],
  ['a path longer than a socket address', 3],
] as const) {
  test(`an open file goes through a socket to another process: ${what}`, async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-socket-'));
    const deep = join(directory.path, ...Array.from({ length: depth }, () => 'x'.repeat(50)));
    await mkdir(deep, { recursive: true });
    const path = join(deep, 'test.sock');
    await writeFile(join(directory.path, 'file'), 'the content');
    await using file = await open(join(directory.path, 'file'), 'r');
    using listening = listenOnUnixSocket(path, 1);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const child = spawn('python3', ['-c', receiver], {
      stdio: ['ignore', 'ignore', 'inherit', listening.fd],
    });
    const connection = connectToUnixSocket(path);
    await writeWithDescriptor(connection, Buffer.from('hello'), file.fd, AbortSignal.timeout(10_000));
    const [answer] = (await once(connection.socket, 'data')) as [Buffer];
    assert.equal(answer.toString(), 'hello 1 the content');
    connection.socket.destroy();
    await once(child, 'exit');
  });
}

test('connecting where nobody listens fails at once', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-socket-'));
  const path = join(directory.path, 'gone.sock');
  listenOnUnixSocket(path, 1)[Symbol.dispose]();
  assert.throws(() => connectToUnixSocket(path), /nobody listens/);
});
