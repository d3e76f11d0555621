import assert from 'node:assert/strict';
import { mkdtempDisposable, open, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EngineError } from '../../errors/engine-error.ts';
import { connectToUnixSocket } from '../../system/unix-socket.ts';
import { QmpClient, QmpError } from './qmp-client.ts';

const signal = AbortSignal.timeout(20_000);

interface Request {
  readonly execute: string;
  readonly id: number;
}

/** A VMM that answers each request as `respond` says; `say` puts bytes on the wire. */
async function withVmm(
  respond: (request: Request, say: (text: string) => void, peer: Socket) => void,
  use: (qmp: QmpClient) => Promise<void>,
): Promise<void> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-qmp-'));
  const path = join(directory.path, 'qmp.sock');
  const peers: Socket[] = [];
  const server = createServer((peer) => {
    peers.push(peer);
    peer.on('error', () => peer.destroy());
    const say = (text: string) => peer.write(text);
    say('{"QMP": {"version": {}}}\r\n');
    let buffered = '';
    peer.on('data', (chunk) => {
      const lines = (buffered + chunk.toString()).split('\n');
      buffered = lines.pop() ?? '';
      for (const line of lines) respond(JSON.parse(line) as Request, say, peer);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const qmp = new QmpClient(connectToUnixSocket(path));
  try {
    await use(qmp);
  } finally {
    qmp.close();
    for (const peer of peers) peer.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('answers find their requests, in any order and in pieces', async () => {
  const waiting: Request[] = [];
  await withVmm(
    (request, say) => {
      if (request.execute === 'qmp_capabilities') say(`{"return": {}, "id": ${request.id}}\r\n`);
      else waiting.push(request);
      if (waiting.length < 2) return;
      for (const { execute, id } of waiting.reverse()) {
        const text = JSON.stringify({ return: `ünd ${execute}`, id });
        say(text.slice(0, 12));
        say(`${text.slice(12)}\n`);
      }
    },
    async (qmp) => {
      const answers = await Promise.all([
        qmp.negotiate(signal),
        qmp.execute('first', {}, signal),
        qmp.execute('second', {}, signal),
      ]);
      assert.deepEqual(answers.slice(1), ['ünd first', 'ünd second']);
    },
  );
});

test('a refusal carries QEMU’s words', async () => {
  await withVmm(
    ({ id }, say) => say(`{"error": {"class": "GenericError", "desc": "no such device"}, "id": ${id}}\n`),
    async (qmp) => {
      await assert.rejects(qmp.execute('device_del', { id: 'x' }, signal), (error) => {
        assert.ok(error instanceof QmpError);
        assert.match(error.message, /QEMU refused device_del: no such device/);
        return true;
      });
    },
  );
});

test('events reach who waits for them', async () => {
  await withVmm(
    ({ id }, say) =>
      say(`{"event": "STOP"}\n{"event": "RESUME", "data": {"x": 1}}\n{"return": {}, "id": ${id}}\n`),
    async (qmp) => {
      const resumed = qmp.waitFor((event) => event.name === 'RESUME', signal);
      await qmp.execute('cont', {}, signal);
      assert.deepEqual(await resumed, { name: 'RESUME', data: { x: 1 } });
    },
  );
});

test('whoever gives up hears nothing more; the others go on', async () => {
  const late: (() => void)[] = [];
  await withVmm(
    ({ execute, id }, say) => {
      const answer = () => say(`{"return": "${execute}", "id": ${id}}\n`);
      if (execute === 'slow') late.push(answer);
      else answer();
    },
    async (qmp) => {
      const controller = new AbortController();
      const slow = qmp.execute('slow', {}, controller.signal);
      assert.equal(await qmp.execute('quick', {}, signal), 'quick');
      controller.abort(new Error('too slow'));
      await assert.rejects(slow, /too slow/);
      for (const answer of late) answer();
      assert.equal(await qmp.execute('next', {}, signal), 'next');
    },
  );
});

test('a VMM that goes, or speaks nonsense, fails all that is under way', async () => {
  for (const nonsense of ['', 'not JSON\n', '[1, 2]\n', '"text"\n']) {
    await withVmm(
      (_request, say, peer) => {
        if (nonsense === '') peer.end();
        else say(nonsense);
      },
      async (qmp) => {
        const command = qmp.execute('query-status', {}, signal);
        const event = qmp.waitFor(() => false, signal);
        const isGone = (error: unknown) => error instanceof EngineError && error.code === 'unavailable';
        await Promise.all([assert.rejects(command, isGone), assert.rejects(event, isGone)]);
        await qmp.closed;
        await assert.rejects(qmp.execute('query-status', {}, signal), isGone);
      },
    );
  }
});

test('a line without an end is cut off', async () => {
  await withVmm(
    (_request, say) => {
      for (let n = 0; n < 5; n++) say('x'.repeat(1 << 20));
    },
    async (qmp) => {
      await assert.rejects(qmp.execute('query-status', {}, signal), /closed its control socket/);
    },
  );
});

test('an open file is sent with its command, before what is asked after it', async () => {
  const seen: string[] = [];
  await withVmm(
    ({ execute, id }, say) => {
      seen.push(execute);
      say(`{"return": {}, "id": ${id}}\n`);
    },
    async (qmp) => {
      await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-qmp-'));
      const path = join(directory.path, 'file');
      await writeFile(path, '');
      await using file = await open(path, 'r');
      await Promise.all([
        qmp.execute('before', {}, signal),
        qmp.executeWithDescriptor('add-fd', { 'fdset-id': 1 }, file.fd, signal),
        qmp.execute('after', {}, signal),
      ]);
      assert.deepEqual(seen, ['before', 'add-fd', 'after']);
    },
  );
});
