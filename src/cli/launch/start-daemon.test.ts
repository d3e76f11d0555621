import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { CliProcess } from '../testing/cli-process.ts';
import { FakeDaemon } from '../testing/fake-daemon.ts';

/** A dvmd that answers GET /containers/json, writes its arguments beside its socket, and ends by itself after a minute. */
const played = `
const { createServer } = require('node:http');
const { rmSync, writeFileSync } = require('node:fs');
const socket = process.argv[process.argv.indexOf('--socket') + 1];
rmSync(socket, { force: true });
writeFileSync(socket + '.args', JSON.stringify({ args: process.argv.slice(2), pid: process.pid }));
createServer((request, response) => response.end('[]')).listen(socket);
setTimeout(() => process.exit(0), 60_000);
`;

async function makeDaemon(directory: string, script: string): Promise<string> {
  const path = join(directory, 'dvmd');
  await writeFile(`${path}.cjs`, script);
  await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' '${path}.cjs' "$@"\n`);
  await chmod(path, 0o755);
  return path;
}

async function playedArguments(
  socketPath: string,
): Promise<{ readonly args: readonly string[]; readonly pid: number }> {
  return JSON.parse(await readFile(`${socketPath}.args`, 'utf8')) as { args: string[]; pid: number };
}

test('a client that finds no daemon starts one in its own session, says so, and the next one finds it', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-start-'));
  const program = await makeDaemon(directory.path, played);
  const state = join(directory.path, 'state');
  const data = join(directory.path, 'data');
  const words = ['--state-dir', state, '--data-dir', data, 'ps', '-q'];
  await using first = new CliProcess(words, { DVM_DAEMON: program });
  assert.equal(await first.code(), 0);
  const socketPath = join(state, 'dvm.sock');
  const { args, pid } = await playedArguments(socketPath);
  try {
    assert.deepEqual(args, ['--socket', socketPath, '--data-dir', data, '--state-dir', state]);
    assert.equal(first.stderr, `dvm: started the daemon (process ${pid}, its log is ${state}/dvmd.log)\n`);
    const session = spawnSync('ps', ['-o', 'sid=', '-p', String(pid)])
      .stdout.toString()
      .trim();
    assert.equal(session, String(pid));
    await using second = new CliProcess(words, { DVM_DAEMON: '/nonexistent' });
    assert.equal(await second.code(), 0);
    assert.equal(second.stderr, '');
  } finally {
    process.kill(pid, 'SIGKILL');
  }
});

test('a socket that a dead daemon left behind is no obstacle', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-start-'));
  const program = await makeDaemon(directory.path, played);
  const socketPath = join(directory.path, 'dvm.sock');
  const leave = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', leave, socketPath]);
  await using client = new CliProcess(['--state-dir', directory.path, 'ps', '-q'], { DVM_DAEMON: program });
  const code = await client.code();
  const { pid } = await playedArguments(socketPath);
  process.kill(pid, 'SIGKILL');
  assert.equal(
    client.stderr,
    `dvm: started the daemon (process ${pid}, its log is ${directory.path}/dvmd.log)\n`,
  );
  assert.equal(code, 0);
});

test('a daemon that cannot start is quoted', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-start-'));
  const program = await makeDaemon(directory.path, `console.error('dvmd: no QEMU here'); process.exit(3);`);
  await using client = new CliProcess(['--state-dir', directory.path, 'ps'], { DVM_DAEMON: program });
  assert.equal(await client.code(), 1);
  assert.match(client.stderr, /ended with code 3 before it answered[^]*dvmd: no QEMU here/);
});

test('two clients at once need one daemon', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-start-'));
  const lock = `
const fs = require('node:fs');
const place = process.argv[process.argv.indexOf('--state-dir') + 1] + '/lock';
try { fs.writeFileSync(place, '', { flag: 'wx' }); } catch { console.error('another daemon uses it'); process.exit(1); }
`;
  const program = await makeDaemon(directory.path, lock + played);
  const words = ['--state-dir', directory.path, 'ps', '-q'];
  await using first = new CliProcess(words, { DVM_DAEMON: program });
  await using second = new CliProcess(words, { DVM_DAEMON: program });
  const codes = [await first.code(), await second.code()];
  process.kill((await playedArguments(join(directory.path, 'dvm.sock'))).pid, 'SIGKILL');
  assert.deepEqual(codes, [0, 0], first.stderr + second.stderr);
});

test('a socket that was chosen without directories is somebody’s own daemon: none is started', async () => {
  await using client = new CliProcess(['--socket', '/nonexistent/dvm.sock', 'ps'], {
    DVM_DAEMON: '/nonexistent',
  });
  assert.equal(await client.code(), 1);
  assert.match(
    client.stderr,
    /cannot connect to the DVM daemon at unix:\/\/\/nonexistent\/dvm.sock: is it running\?/,
  );
});

test('who may not use the socket is told how to', { skip: process.getuid?.() !== 0 }, async () => {
  await using daemon = await FakeDaemon.start({ 'GET /containers/json': () => ({ body: [] }) });
  await chmod(join(daemon.socketPath, '..'), 0o755);
  await chmod(daemon.socketPath, 0o660);
  const main = join(import.meta.dirname, '../main.ts');
  const words = [process.execPath, main, '--socket', daemon.socketPath, 'ps'];
  const client = spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...words]);
  assert.equal(client.status, 1);
  assert.match(
    client.stderr.toString(),
    /permission denied on the DVM daemon's socket .*: join the group dvm .* or use sudo/,
  );
});

test('something else on the socket is recognised', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-start-'));
  const path = join(directory.path, 'other.sock');
  const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n\r\n')).listen(path);
  await once(server, 'listening');
  await using client = new CliProcess(['--socket', path, 'ps']);
  assert.equal(await client.code(), 1);
  server.close();
  assert.match(client.stderr, /does not speak HTTP: it answered "SSH-2.0-OpenSSH_9.2"/);
});
