/** What reaches a process in a container and comes back from it, with a real client process and a daemon that is played. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { test } from 'node:test';
import { CliProcess } from './testing/cli-process.ts';
import { FakeDaemon, frame } from './testing/fake-daemon.ts';
import type { SeenRequest } from './testing/fake-daemon.ts';

const id = '1'.repeat(64);

/** A process that `run` starts: it is played by `play` once `start` came, and its return value is the exit code. */
async function containerDaemon(
  play: (socket: Duplex, request: SeenRequest) => Promise<number>,
  tty = false,
): Promise<FakeDaemon> {
  const started = Promise.withResolvers<undefined>();
  const ended = Promise.withResolvers<number>();
  return await FakeDaemon.start(
    {
      'POST /containers/create': () => ({ status: 201, body: { Id: id, Warnings: [] } }),
      'POST /containers/*/start': () => {
        started.resolve(undefined);
        return {};
      },
      'POST /containers/*/wait': () => ({
        stream: async (response) => void response.end(JSON.stringify({ StatusCode: await ended.promise })),
      }),
      'POST /containers/*/kill': () => ({}),
      'POST /containers/*/resize': () => ({ status: 200, body: '' }),
      'GET /containers/*/json': () => ({
        body: { Id: id, Config: { Tty: tty, OpenStdin: true }, State: { Running: true }, HostConfig: {} },
      }),
    },
    {
      'POST /containers/*/attach': async (socket, request) => {
        await started.promise;
        const code = await play(socket, request);
        socket.end();
        ended.resolve(code);
      },
    },
  );
}

async function readAll(socket: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('output goes to its own stream and the exit code is the process’s', async () => {
  await using daemon = await containerDaemon((socket) => {
    socket.write(Buffer.concat([frame(1, 'out'), frame(2, 'err'), frame(1, 'more\n')]));
    return Promise.resolve(42);
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox', 'x']);
  assert.equal(await dvm.code(), 42);
  assert.equal(dvm.stdout.toString(), 'outmore\n');
  assert.equal(dvm.stderr, 'err');
});

test('attach and wait are registered before start is asked', async () => {
  await using daemon = await containerDaemon(() => Promise.resolve(0));
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', '--rm', 'busybox']);
  assert.equal(await dvm.code(), 0);
  const asked = daemon.asked().map((line) => line.replace(id, 'ID'));
  assert.equal(asked[0], 'POST /containers/create');
  assert.deepEqual(asked.slice(1, 3).toSorted(), ['POST /containers/ID/attach', 'POST /containers/ID/wait']);
  assert.deepEqual(asked.slice(3), ['POST /containers/ID/start']);
});

test('a frame’s bytes arrive whole however they are cut', async () => {
  await using daemon = await containerDaemon(async (socket) => {
    for (const byte of Buffer.concat([frame(1, 'abc'), frame(2, 'x'), frame(1, 'def\n')])) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return 0;
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox']);
  assert.equal(await dvm.code(), 0);
  assert.equal(dvm.stdout.toString(), 'abcdef\n');
});

test('stdin is sent to its end, which closes only that direction', async () => {
  await using daemon = await containerDaemon(async (socket) => {
    const input = await readAll(socket);
    socket.write(frame(1, createHash('sha256').update(input).digest('hex')));
    return input.length % 256;
  });
  const sent = Buffer.alloc(5_000_001, 'dvm');
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', '-i', 'busybox']);
  dvm.child.stdin?.end(sent);
  assert.equal(await dvm.code(), sent.length % 256);
  assert.equal(dvm.stderr, '');
  assert.equal(dvm.stdout.toString(), createHash('sha256').update(sent).digest('hex'));
});

test('without -i the input is closed at once and nothing is read from ours', async () => {
  await using daemon = await containerDaemon(async (socket, { query }) => {
    assert.equal(query['stdin']?.[0], '0');
    return (await readAll(socket)).length;
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox']);
  dvm.child.stdin?.write('not for the container');
  assert.equal(await dvm.code(), 0);
});

/** A shell around the client, because Node connects its children by sockets where a shell makes pipes. */
function inShell(line: string, daemon: FakeDaemon): ChildProcessWithoutNullStreams {
  const dvm = `'${process.execPath}' '${join(import.meta.dirname, 'main.ts')}' --socket '${daemon.socketPath}'`;
  return spawn('sh', ['-c', line.replaceAll('dvm', dvm)]);
}

test('a pipe on stdin that is shared stays as it was for its next reader', async () => {
  await using daemon = await containerDaemon(async (socket) => {
    await once(socket, 'data');
    return 0;
  });
  const shell = inShell('cat | (dvm run -i busybox; echo next; cat)', daemon);
  shell.stdin.write('one\n');
  const [chunk] = (await once(shell.stdout, 'data')) as [Buffer];
  assert.equal(chunk.toString(), 'next\n');
  shell.stdin.end('two\n');
  assert.equal((await readAll(shell.stdout)).toString(), 'two\n');
  assert.equal((await readAll(shell.stderr)).toString(), '');
});

test('pipes on both sides carry every byte', async () => {
  await using daemon = await containerDaemon(async (socket) => {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      if (!socket.write(frame(1, chunk as Buffer))) await once(socket, 'drain');
    }
    return 0;
  });
  const whole = inShell('head -c 20000000 /dev/zero | dvm run -i busybox | (sleep 0.3; sha256sum)', daemon);
  const expected = createHash('sha256').update(Buffer.alloc(20_000_000)).digest('hex');
  assert.equal((await readAll(whole.stdout)).toString(), `${expected}  -\n`);
});

test('a reader that is slow holds the process back, and gets every byte', async () => {
  const total = 64 * 1024 * 1024;
  const piece = frame(1, Buffer.alloc(64 * 1024, 7));
  let sent = 0;
  const stalled = Promise.withResolvers<undefined>();
  await using daemon = await containerDaemon(async (socket) => {
    for (; sent < total; sent += 64 * 1024) {
      if (socket.write(piece)) continue;
      const drained = once(socket, 'drain');
      const timer = setTimeout(() => stalled.resolve(undefined), 300);
      await drained;
      clearTimeout(timer);
    }
    return 0;
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox']);
  dvm.child.stdout?.removeAllListeners('data');
  dvm.child.stdout?.pause();
  await stalled.promise;
  assert.ok(sent < 8 * 1024 * 1024, `${sent} bytes went somewhere while nobody read`);
  let received = 0;
  dvm.child.stdout?.on('data', (chunk: Buffer) => (received += chunk.length)).resume();
  assert.equal(await dvm.code(), 0);
  assert.equal(received, total);
});

test('a reader that goes away ends the client as SIGPIPE would', async () => {
  await using daemon = await containerDaemon(async (socket) => {
    const piece = frame(1, Buffer.alloc(64 * 1024));
    const gone = new Promise((resolve) => socket.once('close', resolve));
    while (!socket.destroyed) {
      const drained = new Promise((resolve) => socket.once('drain', resolve));
      if (!socket.write(piece)) await Promise.race([drained, gone]);
    }
    return 0;
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox']);
  await once(dvm.child.stdout ?? dvm.child, 'data');
  dvm.child.stdout?.destroy();
  assert.equal(await dvm.code(), 141);
  assert.equal(dvm.stderr, '');
});

test('output to a file is in the file when the client ends', async () => {
  await using daemon = await containerDaemon((socket) => {
    socket.write(frame(1, Buffer.alloc(3_000_000, 'x')));
    return Promise.resolve(0);
  });
  const path = join(daemon.socketPath, '../output');
  const fd = openSync(path, 'w');
  writeSync(fd, 'before ');
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox'], {}, [
    'ignore',
    fd,
    'pipe',
  ]);
  assert.equal(await dvm.code(), 0);
  closeSync(fd);
  assert.equal((await readFile(path)).length, 3_000_007);
});

test('signals go to the container, and its end is ours', async () => {
  const killed = Promise.withResolvers<string>();
  await using daemon = await containerDaemon(async (socket) => {
    socket.write(frame(1, 'ready\n'));
    const signal = await killed.promise;
    return signal === 'SIGTERM' ? 128 + 15 : 1;
  });
  daemon.on({
    'POST /containers/*/kill': ({ query }) => {
      killed.resolve(query['signal']?.[0] ?? '');
      return {};
    },
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox']);
  await dvm.shows('ready');
  dvm.child.kill('SIGTERM');
  assert.equal(await dvm.code(), 143);
});

test('--sig-proxy=false leaves the client its signals', async () => {
  await using daemon = await containerDaemon(async (socket) => {
    socket.write(frame(1, 'ready\n'));
    await once(socket, 'close');
    return 0;
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', '--sig-proxy=false', 'busybox']);
  await dvm.shows('ready');
  dvm.child.kill('SIGTERM');
  assert.equal((await dvm.exited).signal, 'SIGTERM');
});

test('what the daemon says of a start decides between 125, 126 and 127', async () => {
  const cases: readonly (readonly [number, string, number])[] = [
    [400, 'failed to create task: exec: "nope": executable file not found in $PATH: unknown', 127],
    [400, 'exec: "/etc": is a directory: unknown', 126],
    [400, 'exec: "/etc/passwd": permission denied: unknown', 126],
    [500, 'the VMM ended before the agent was ready', 125],
  ];
  for (const [status, message, exitCode] of cases) {
    await using daemon = await containerDaemon(() => Promise.resolve(0));
    daemon.on(
      {
        'POST /containers/*/start': () => ({ status, body: { message } }),
        'POST /containers/*/wait': () => ({ body: { StatusCode: exitCode } }),
      },
      { 'POST /containers/*/attach': () => undefined },
    );
    await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', '--rm', 'busybox', 'nope']);
    assert.equal(await dvm.code(), exitCode, message);
    assert.match(dvm.stderr, /^dvm: Error response from daemon: /);
    assert.ok(dvm.stderr.includes(message));
  }
});

test('an image that is not there is pulled, with its progress on stderr, and then run', async () => {
  let pulled = false;
  await using daemon = await containerDaemon((socket) => {
    socket.write(frame(1, 'hello\n'));
    return Promise.resolve(0);
  });
  daemon.on({
    'POST /containers/create': () =>
      pulled
        ? { status: 201, body: { Id: id, Warnings: ['mind the gap'] } }
        : { status: 404, body: { message: 'No such image: busybox:latest' } },
    'POST /images/create': () => {
      pulled = true;
      return {
        body: '{"status":"Pulling from library/busybox","id":"latest"}\n{"status":"Status: Downloaded"}\n',
      };
    },
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox']);
  assert.equal(await dvm.code(), 0);
  assert.equal(dvm.stdout.toString(), 'hello\n');
  assert.equal(
    dvm.stderr,
    "Unable to find image 'busybox:latest' locally\nlatest: Pulling from library/busybox\nStatus: Downloaded\nWARNING: mind the gap\n",
  );
});

test('--pull never asks for no pull, and a pull that fails is the error', async () => {
  await using daemon = await containerDaemon(() => Promise.resolve(0));
  daemon.on({
    'POST /containers/create': () => ({ status: 404, body: { message: 'No such image: busybox:latest' } }),
    'POST /images/create': () => ({
      body: '{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}\n',
    }),
  });
  await using never = new CliProcess(['--socket', daemon.socketPath, 'run', '--pull=never', 'busybox']);
  assert.equal(await never.code(), 125);
  assert.match(never.stderr, /No such image: busybox:latest/);
  assert.ok(!daemon.asked().includes('POST /images/create'));
  await using missing = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox']);
  assert.equal(await missing.code(), 125);
  assert.match(missing.stderr, /manifest unknown/);
});

test('--cidfile holds the ID, is not overwritten, and does not stay behind after a failure', async () => {
  await using daemon = await containerDaemon(() => Promise.resolve(0));
  const cidfile = join(daemon.socketPath, '../cid');
  await using first = new CliProcess([
    '--socket',
    daemon.socketPath,
    'create',
    '--cidfile',
    cidfile,
    'busybox',
  ]);
  assert.equal(await first.code(), 0);
  assert.equal(await readFile(cidfile, 'utf8'), id);
  await using second = new CliProcess([
    '--socket',
    daemon.socketPath,
    'run',
    '--cidfile',
    cidfile,
    'busybox',
  ]);
  assert.equal(await second.code(), 125);
  assert.match(second.stderr, /container ID file found/);
  assert.equal(await readFile(cidfile, 'utf8'), id);
  daemon.on({ 'POST /containers/create': () => ({ status: 500, body: { message: 'no' } }) });
  await using third = new CliProcess([
    '--socket',
    daemon.socketPath,
    'create',
    '--cidfile',
    `${cidfile}2`,
    'busybox',
  ]);
  assert.equal(await third.code(), 1);
  await assert.rejects(readFile(`${cidfile}2`), /ENOENT/);
});

test('exec: streams both ways and the exit code', async () => {
  await using daemon = await FakeDaemon.start(
    {
      'POST /containers/*/exec': () => ({ status: 201, body: { Id: 'e1' } }),
      'GET /exec/*/json': () => ({ body: { ExitCode: 9 } }),
    },
    {
      'POST /exec/*/start': async (socket, { body }) => {
        assert.deepEqual(JSON.parse(body.toString()), { Detach: false, Tty: false });
        const input = await readAll(socket);
        socket.end(Buffer.concat([frame(1, input), frame(2, 'done')]));
      },
    },
  );
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'exec', '-i', 'web', 'cat']);
  dvm.child.stdin?.end('typed');
  assert.equal(await dvm.code(), 9);
  assert.equal(dvm.stdout.toString(), 'typed');
  assert.equal(dvm.stderr, 'done');
});

test('a daemon that goes away in the middle of a run is an error, not a success', async () => {
  await using daemon = await containerDaemon(async (socket) => {
    socket.write(frame(1, 'ready\n'));
    await new Promise(() => undefined);
    return 0;
  });
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'run', 'busybox']);
  await dvm.shows('ready');
  await daemon[Symbol.asyncDispose]();
  assert.equal(await dvm.code(), 125);
  assert.match(dvm.stderr, /daemon closed the connection|ECONNRESET/);
});
