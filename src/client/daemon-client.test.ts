import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempDisposable } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ApiError } from './api-error.ts';
import { DaemonClient } from './daemon-client.ts';
import { parseEndpoint } from './endpoint.ts';
import { FrameDecoder } from './stream-frames.ts';

interface Listening extends AsyncDisposable {
  readonly client: DaemonClient;
  readonly connections: () => number;
}

/** A server that answers each request with the next of `answers`, byte by byte if told so. */
async function listen(answers: readonly string[], bytewise = false): Promise<Listening> {
  const directory = await mkdtempDisposable(join(tmpdir(), 'dvm-client-'));
  const socketPath = join(directory.path, 's');
  const sockets: Socket[] = [];
  let next = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined); // the client hung up: that is what is tested
    socket.on('data', () => void answer(socket, answers[next++]));
  });
  server.listen(socketPath);
  await once(server, 'listening');
  const client = new DaemonClient({ socketPath });

  async function answer(socket: Socket, text: string | undefined): Promise<void> {
    if (text === undefined) return void socket.end();
    for (const piece of bytewise ? text : [text]) {
      socket.write(piece, 'latin1');
      if (bytewise) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  return {
    client,
    connections: () => sockets.length,
    [Symbol.asyncDispose]: async () => {
      client.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const length = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}';
const chunked =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\nTrailer: z\r\n\r\n';

test('bodies of a length and in chunks, over one connection', async () => {
  for (const bytewise of [false, true]) {
    await using server = await listen([length, chunked, 'HTTP/1.1 204 No Content\r\n\r\n', length], bytewise);
    assert.deepEqual(await server.client.json('GET', '/x'), { a: 1 });
    assert.deepEqual(await server.client.json('GET', '/x'), { a: 1 });
    assert.equal(await server.client.send('POST', '/x'), 204);
    assert.deepEqual(await server.client.json('GET', '/x'), { a: 1 });
    assert.equal(server.connections(), 1);
  }
});

test('calls at once have connections of their own, and a closing daemon’s is not used again', async () => {
  const closing = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}';
  await using server = await listen([length, length, closing, length]);
  await Promise.all([server.client.json('GET', '/x'), server.client.json('GET', '/x')]);
  assert.equal(server.connections(), 2);
  await server.client.json('GET', '/x');
  await server.client.json('GET', '/x');
  assert.equal(server.connections(), 2); // the other one was idle
});

test('an answer without a length ends with the connection', async () => {
  await using server = await listen(['HTTP/1.0 200 OK\r\n\r\n{"lines":1}\n{"lines":2}']);
  const lines: unknown[] = [];
  const reading = (async () => {
    for await (const line of server.client.jsonLines('GET', '/x')) lines.push(line);
  })();
  await assert.doesNotReject(Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 50))]));
  assert.deepEqual(lines, [{ lines: 1 }]);
});

test('errors carry the daemon’s words and a code', async () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'HTTP/1.1 404 Not Found\r\nContent-Length: 30\r\n\r\n{"message":"No such thing: x"}',
      'not_found',
      'No such thing: x',
    ],
    ['HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\noops\n', 'internal', 'oops'],
    [
      'HTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n',
      'failed_precondition',
      'the daemon answered with status 409 and no message',
    ],
    ['HTTP/1.1 501 No\r\nContent-Length: 4\r\n\r\n{"x"', 'unimplemented', '{"x"'],
  ];
  for (const [answer, code, message] of cases) {
    await using server = await listen([answer]);
    await assert.rejects(
      server.client.json('GET', '/x'),
      (error) => error instanceof ApiError && error.code === code && error.message === message,
    );
  }
});

test('answers that break the protocol are refused and hang nobody', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['SSH-2.0\r\n\r\n', /does not speak HTTP/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', /a chunk has no length/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n', /longer than it said/],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', /Content-Length is not a number/],
    [`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(300_000)}`, /head of the daemon's answer does not end/],
    [`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'1'.repeat(5000)}`, /a line does not end/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', /is not JSON/],
  ];
  for (const [answer, message] of cases) {
    await using server = await listen([answer]);
    await assert.rejects(server.client.json('GET', '/x'), message);
  }
});

test('a connection that ends early is an error that says so', async () => {
  await using server = await listen([]);
  await assert.rejects(server.client.json('GET', '/x'), /closed the connection without an answer/);
});

test('an aborted call ends with its reason', async () => {
  await using server = await listen(['HTTP/1.1 200 OK\r\n']);
  const controller = new AbortController();
  const call = server.client.json('GET', '/x', { signal: controller.signal });
  setImmediate(() => controller.abort(new Error('enough')));
  await assert.rejects(call, /enough/);
});

test('a header cannot be broken out of', async () => {
  await using server = await listen([length]);
  await assert.rejects(
    server.client.json('GET', '/x', { headers: { A: 'b\r\nC: d' } }),
    /would contain a line break/,
  );
});

test('a body that cannot be read to its end is the error', async () => {
  await using server = await listen([]);
  async function* broken(): AsyncGenerator<Buffer> {
    yield await Promise.resolve(Buffer.from('half'));
    throw new Error('the disk is gone');
  }
  await assert.rejects(server.client.json('POST', '/x', { body: broken() }), /the disk is gone/);
});

test('a daemon that refuses a body before it has read it is heard', async () => {
  const refusal = 'HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 22\r\n\r\n{"message":"too much"}';
  await using server = await listen([refusal]);
  async function* endless(): AsyncGenerator<Buffer> {
    for (let at = 0; at < 4; at += 1) yield await Promise.resolve(Buffer.alloc(1000));
  }
  await assert.rejects(server.client.json('POST', '/x', { body: endless() }), /too much/);
});

test('where the daemon listens', () => {
  assert.deepEqual(parseEndpoint('unix:///run/x.sock'), { socketPath: '/run/x.sock' });
  assert.deepEqual(parseEndpoint('/run/x.sock'), { socketPath: '/run/x.sock' });
  assert.equal(parseEndpoint('x.sock').socketPath, join(process.cwd(), 'x.sock'));
  assert.throws(() => parseEndpoint('tcp://127.0.0.1:2375'), /tcp:\/\/ is not supported/);
  assert.throws(() => parseEndpoint('unix://'), /names no socket/);
});

test('frames: streams, the daemon’s own error, unknown streams and a stream that is cut', () => {
  const decoder = new FrameDecoder();
  const header = (stream: number, size: number) => Buffer.from([stream, 0, 0, 0, 0, 0, 0, size]);
  const pieces = [
    ...decoder.decode(
      Buffer.concat([header(1, 2), Buffer.from('ab'), header(2, 0), header(2, 1), Buffer.from('c')]),
    ),
  ];
  assert.deepEqual(
    pieces.map(({ stream, data }) => [stream, data.toString()]),
    [
      ['stdout', 'ab'],
      ['stderr', 'c'],
    ],
  );
  decoder.end();
  assert.throws(
    () => [...new FrameDecoder().decode(Buffer.concat([header(3, 4), Buffer.from('oops')]))],
    /error from the daemon in the stream: oops/,
  );
  assert.throws(() => [...new FrameDecoder().decode(header(9, 1))], /unknown stream 9/);
  const cut = new FrameDecoder();
  assert.deepEqual([...cut.decode(header(1, 5))], []);
  assert.throws(() => cut.end(), /in the middle of a frame/);
});
