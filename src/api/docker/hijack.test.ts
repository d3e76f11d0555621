import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { startApi } from './testing/api-fixture.ts';
import type { ApiFixture } from './testing/api-fixture.ts';
import { RawConnection } from './testing/raw-connection.ts';

const timeout = 60_000;

async function create(api: ApiFixture, body: object): Promise<string> {
  const { json } = await api.call('POST', '/v1.50/containers/create', { Image: 'busybox', ...body });
  return (json as { Id: string }).Id;
}

async function createExec(api: ApiFixture, id: string, body: object): Promise<string> {
  const options = { AttachStdout: true, AttachStderr: true, ...body };
  const { json } = await api.call('POST', `/containers/${id}/exec`, options);
  return (json as { Id: string }).Id;
}

test('attach before start: the upgrade, then frames per stream, then the end', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sh', '-c', 'echo out; echo err >&2'] });
  using client = new RawConnection(api.socketPath);
  client.upgrade(`/v1.50/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
  assert.equal(
    await client.head(),
    'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
  );
  client.socket.end(); // as docker run without -i does
  assert.equal((await api.call('POST', `/containers/${id}/start`)).status, 204);
  const frames = [await client.frame(), await client.frame()].toSorted((a, b) => a.stream - b.stream);
  assert.deepEqual(frames, [
    { stream: 1, text: 'out\n' },
    { stream: 2, text: 'err\n' },
  ]);
  assert.equal((await client.rest()).length, 0);
});

test('a terminal’s output has no frames; older clients are told the older type', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['echo', 'hi'], Tty: true });
  using client = new RawConnection(api.socketPath);
  client.upgrade(`/v1.41/containers/${id}/attach?stream=1&stdout=1`);
  assert.match(await client.head(), /Content-Type: application\/vnd\.docker\.raw-stream\r\n/);
  await api.call('POST', `/containers/${id}/start`);
  assert.equal((await client.rest()).toString(), 'hi\n');
});

test('stdin flows in until its end, output back, byte for byte', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, {
    Cmd: ['cat'],
    OpenStdin: true,
    StdinOnce: true,
    Tty: true,
    AttachStdin: true,
  });
  using client = new RawConnection(api.socketPath);
  client.upgrade(`/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`);
  await client.head();
  await api.call('POST', `/containers/${id}/start`);
  const sent = createHash('sha256');
  const size = 64 << 20;
  const received = client.countBytes();
  let missing = size;
  for (let n = 0; missing > 0; n++) {
    const chunk = Buffer.alloc(Math.min(missing, 100_003), n % 50 === 0 ? '\x10' : `${n} `);
    sent.update(chunk);
    missing -= chunk.length;
    if (!client.socket.write(chunk)) await once(client.socket, 'drain');
  }
  assert.equal(await received.reached(size), `${size} ${sent.digest('hex')}`);
});

test('a client that does not read holds the container back', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sh', '-c', 'yes | head -c 50000000; echo done >&2'] });
  using client = new RawConnection(api.socketPath);
  client.upgrade(`/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
  await client.head();
  const received = client.countBytes();
  received.pause();
  await api.call('POST', `/containers/${id}/start`);
  // A second client waits for the end, which cannot come while the first does not read.
  const waiting = api.call('POST', `/containers/${id}/wait`);
  const early = await Promise.race([
    waiting,
    new Promise((resolve) => setTimeout(resolve, 300, 'held back')),
  ]);
  assert.equal(early, 'held back');
  received.resume();
  assert.equal((await waiting).status, 200);
  assert.match(await received.reached(50_000_000), /^5000\d{4} /);
});

test('the body of exec start may come with the upgrade, or after it', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sleep', '100'] });
  await api.call('POST', `/containers/${id}/start`);
  const body = JSON.stringify({ Detach: false, Tty: false });

  const together = await createExec(api, id, { Cmd: ['echo', 'together'] });
  using first = new RawConnection(api.socketPath);
  first.upgrade(`/v1.50/exec/${together}/start`, body);
  await first.head();
  assert.deepEqual(await first.frame(), { stream: 1, text: 'together\n' });

  const later = await createExec(api, id, { Cmd: ['cat'], AttachStdin: true });
  using second = new RawConnection(api.socketPath);
  second.upgrade(`/v1.50/exec/${later}/start`, `${body}${' '.repeat(7)}`.slice(0, 10));
  // The head above promised ten bytes of a body: not a whole JSON object.
  assert.match(await second.head(), /^HTTP\/1\.1 400 /);

  using third = new RawConnection(api.socketPath);
  const head = `POST /v1.50/exec/${later}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  third.send(head);
  await api.call('GET', '/_ping'); // the server has had its turn
  third.send(body.slice(0, 5));
  await api.call('GET', '/_ping');
  third.send(`${body.slice(5)}typed ahead\n`);
  assert.match(await third.head(), /^HTTP\/1\.1 101 /);
  assert.deepEqual(await third.frame(), { stream: 1, text: 'typed ahead\n' });
  third.socket.end();
  assert.equal((await third.rest()).length, 0);
  assert.equal(((await api.call('GET', `/exec/${later}/json`)).json as { ExitCode: number }).ExitCode, 0);
  await api.call('POST', `/containers/${id}/kill`);
});

test('a command that cannot run is told on the stream and in inspect', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sleep', '100'] });
  await api.call('POST', `/containers/${id}/start`);
  const exec = await createExec(api, id, { Cmd: ['nosuch'] });
  using client = new RawConnection(api.socketPath);
  client.upgrade(`/exec/${exec}/start`, '{"Detach":false}');
  assert.match(await client.head(), /^HTTP\/1\.1 101 /);
  const { stream, text } = await client.frame();
  assert.equal(stream, 1);
  assert.match(text, /nosuch.*executable file not found/);
  assert.equal(((await api.call('GET', `/exec/${exec}/json`)).json as { ExitCode: number }).ExitCode, 127);
  await api.call('POST', `/containers/${id}/kill`);
});

test('without an upgrade the stream is the body, and input the request’s', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sleep', '100'] });
  await api.call('POST', `/containers/${id}/start`);
  const exec = await createExec(api, id, { Cmd: ['echo', 'plain'], Tty: true });
  const answer = await api.call('POST', `/exec/${exec}/start`, { Detach: false, Tty: true });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/vnd.docker.raw-stream');
  assert.equal(answer.text, 'plain\n');
  const withInput = await createExec(api, id, { Cmd: ['cat'], AttachStdin: true });
  // Its body is the JSON: nothing is left for input, so it ends at once.
  assert.equal((await api.call('POST', `/exec/${withInput}/start`, {})).status, 200);
  await api.call('POST', `/containers/${id}/kill`);
});

test('the detach keys end the attachment and leave the container and its stdin', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['cat'], OpenStdin: true, StdinOnce: true, Tty: true });
  using client = new RawConnection(api.socketPath);
  client.upgrade(`/containers/${id}/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,y`);
  await client.head();
  await api.call('POST', `/containers/${id}/start`);
  client.send('before\n');
  assert.equal((await client.bytes(7)).toString(), 'before\n');
  client.send('\x18y');
  assert.equal((await client.rest()).length, 0);
  const inspect = (await api.call('GET', `/containers/${id}/json`)).json as { State: { Running: boolean } };
  assert.equal(inspect.State.Running, true);
  await api.call('POST', `/containers/${id}/kill`);
});

test('what is wrong is answered with a status, not with an upgrade', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['cat'], OpenStdin: true });
  const cases: readonly [string, RegExp][] = [
    ['/containers/nothing/attach?stream=1', /^HTTP\/1\.1 404 /],
    [`/containers/${id}/attach?detachKeys=ctrl-1`, /^HTTP\/1\.1 400 /],
    ['/exec/nothing/start', /^HTTP\/1\.1 404 /],
    [`/v9.9/containers/${id}/attach`, /^HTTP\/1\.1 400 /],
  ];
  for (const [path, expected] of cases) {
    using client = new RawConnection(api.socketPath);
    client.upgrade(path);
    assert.match(await client.head(), expected, path);
    assert.match((await client.rest()).toString(), /"message"/);
  }
  const plain = await api.call('POST', `/containers/${id}/attach?stdin=1&stream=1`);
  assert.equal(plain.status, 400);
  assert.match(plain.text, /needs a connection upgrade/);
});

test('a daemon that stops ends the connections that were taken over', { timeout }, async () => {
  const api = await startApi();
  const id = await create(api, { Cmd: ['sleep', '100'] });
  using client = new RawConnection(api.socketPath);
  client.upgrade(`/containers/${id}/attach?stream=1&stdout=1`);
  await client.head();
  await api[Symbol.asyncDispose]();
  await client.rest();
});
