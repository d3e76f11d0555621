import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineFixture, collector, never, specOf } from './testing/engine-fixture.ts';
import type { AttachOptions, AttachStreams } from './service.ts';

const live: AttachOptions = { stdout: true, stderr: true, logs: false, stream: true };

/** A client that takes a chunk each time it is told to. */
class SlowClient {
  readonly taken: Buffer[] = [];
  #waiting: (() => void)[] = [];
  open = false;
  readonly streams: AttachStreams = {
    write: (_stream, chunk) => {
      this.taken.push(Buffer.from(chunk));
      return this.open ? undefined : new Promise<void>((resolve) => this.#waiting.push(resolve));
    },
  };

  openUp(): void {
    this.open = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  get bytes(): number {
    return this.taken.reduce((sum, chunk) => sum + chunk.length, 0);
  }
}

async function* inputOf(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield Buffer.from(chunk);
  }
}

test('a client that attaches before the start gets every byte, and its end before wait answers', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const { id } = await engine.create(specOf({ cmd: ['echo', 'hello'] }));
  const client = collector();
  const order: string[] = [];
  const attachment = engine.attach(id, live, client.streams);
  void attachment.done.then(() => order.push('attach ends'));
  const waited = engine.wait(id, 'next-exit', never).exit.then(() => order.push('wait answers'));
  await engine.start(id, never);
  await waited;
  assert.equal(client.text(), 'hello\n');
  assert.deepEqual(order, ['attach ends', 'wait answers']);
});

test('streams are chosen, and several clients get the same', async () => {
  const fixture = new EngineFixture();
  const { engine, host } = fixture;
  host.programs.set('both', async (process) => {
    await process.print('out');
    await process.print('err', 'stderr');
    return 0;
  });
  const { id } = await engine.create(specOf({ cmd: ['both'] }));
  const [all, errors] = [collector(), collector()];
  const ends = [
    engine.attach(id, live, all.streams).done,
    engine.attach(id, { ...live, stdout: false }, errors.streams).done,
  ];
  await engine.start(id, never);
  await Promise.all(ends);
  assert.equal(all.text(), 'outerr');
  assert.equal(errors.text(), 'err');
});

test('a slow client holds the process back, loses nothing, and the others get theirs at once', async () => {
  const fixture = new EngineFixture();
  const { engine, host } = fixture;
  const total = 4 << 20;
  let printed = false;
  host.programs.set('flood', async (process) => {
    await process.until(() => process.signals.length > 0);
    await process.print(Buffer.alloc(total, 'x'));
    printed = true;
    return 0;
  });
  const id = await fixture.run({ cmd: ['flood'] });
  const slow = new SlowClient();
  const fast = collector();
  const ends = [engine.attach(id, live, slow.streams).done, engine.attach(id, live, fast.streams).done];
  await engine.kill(id, 'USR1');
  // Everything that can happen without the slow client has happened when the queue of the event loop is empty.
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  assert.equal(printed, false);
  assert.ok(fast.text().length < total && fast.text().length >= 1 << 20, 'bounded, but not too small');
  slow.openUp();
  await Promise.all(ends);
  assert.equal(slow.bytes, total);
  assert.equal(fast.text().length, total);
});

test('a client that goes away holds nobody back', async () => {
  const fixture = new EngineFixture();
  const { engine, host } = fixture;
  host.programs.set('flood', async (process) => {
    await process.until(() => process.signals.length > 0);
    await process.print(Buffer.alloc(4 << 20, 'x'));
    return 0;
  });
  const id = await fixture.run({ cmd: ['flood'] });
  const gone = engine.attach(id, live, { write: () => Promise.reject(new Error('connection reset')) });
  const silent = engine.attach(id, live, { write: () => new Promise(() => undefined) });
  await engine.kill(id, 'USR1');
  await gone.done;
  silent.detach();
  silent.detach();
  await silent.done;
  assert.equal((await engine.wait(id, 'not-running', never).exit).exitCode, 0);
  assert.equal(fixture.log(id).length, 4 << 20);
});

test('what was printed before is replayed, and then what comes: no gap, no doubling', async () => {
  const fixture = new EngineFixture();
  const { engine, host } = fixture;
  host.programs.set('count', async (process) => {
    for (let number = 0; number < 200; number++) {
      await process.print(`${number}\n`);
      if (number % 10 === 0) await new Promise(setImmediate);
    }
    return 0;
  });
  const id = await fixture.run({ cmd: ['count'] });
  const clients: (() => string)[] = [];
  const ends: Promise<void>[] = [];
  const exit = engine.wait(id, 'not-running', never).exit;
  const ending = new AbortController();
  void exit.then(() => ending.abort());
  while (!ending.signal.aborted) {
    const client = collector();
    clients.push(() => client.text());
    ends.push(engine.attach(id, { ...live, logs: true }, client.streams).done);
    await new Promise(setImmediate);
    if (clients.length > 100) break;
  }
  await exit;
  const expected = Array.from({ length: 200 }, (_, number) => `${number}\n`).join('');
  const running = clients.slice(0, 10);
  await Promise.all(ends.slice(0, 10));
  assert.ok(running.length > 5);
  for (const text of running) assert.equal(text(), expected);
});

test('only the log: the client gets it and its end, running or not', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['echo', 'old'] });
  await fixture.engine.wait(id, 'not-running', never).exit;
  const client = collector();
  await fixture.engine.attach(id, { ...live, logs: true, stream: false }, client.streams).done;
  assert.equal(client.text(), 'old\n');
});

test('stdin goes to the process; StdinOnce closes it with the first client', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const { id } = await engine.create(specOf({ cmd: ['cat'], openStdin: true, stdinOnce: true }));
  const client = collector();
  const { done } = engine.attach(id, live, { ...client.streams, stdin: inputOf('one ', 'two') });
  await engine.start(id, never);
  await done;
  assert.equal(client.text(), 'one two');
  assert.equal((await engine.wait(id, 'not-running', never).exit).exitCode, 0);
});

test('without StdinOnce a client may go and another come', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['cat'], openStdin: true });
  const client = collector();
  engine.attach(id, live, client.streams);
  engine.attach(id, live, { stdin: inputOf('first ') });
  await fixture.process(id).until(() => fixture.log(id) === 'first ' || fixture.process(id).input.length > 0);
  engine.attach(id, live, { stdin: inputOf('second') });
  while (client.text() !== 'first second') await new Promise(setImmediate);
  assert.equal(fixture.process(id).inputClosed, false);
  assert.equal(engine.get(id).status, 'running');
});

test('a client whose connection breaks has ended its input', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  async function* breaks(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half');
    await Promise.resolve();
    throw new Error('connection reset');
  }
  const { id } = await engine.create(specOf({ cmd: ['cat'], openStdin: true, stdinOnce: true }));
  engine.attach(id, live, { stdin: breaks() });
  await engine.start(id, never);
  await engine.wait(id, 'not-running', never).exit;
  assert.equal(fixture.log(id), 'half');
});

test('stdin of a container without it is not read', async () => {
  const fixture = new EngineFixture();
  let read = false;
  const stdin = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        read = true;
        return new Promise<never>(() => undefined);
      },
    }),
  };
  const { id } = await fixture.engine.create(specOf());
  const { done } = fixture.engine.attach(id, live, { stdin });
  await fixture.engine.start(id, never);
  await done;
  assert.equal(read, false);
});

test('a child that keeps the streams open does not keep the container from ending', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const fixture = new EngineFixture();
  const { engine, host } = fixture;
  host.programs.set('fork', (process) => {
    process.keepsStreamsOpen = true;
    return 3;
  });
  const id = await fixture.run({ cmd: ['fork'] });
  const { exit } = engine.wait(id, 'next-exit', never);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.equal(engine.get(id).status, 'running');
  context.mock.timers.tick(2000);
  assert.equal((await exit).exitCode, 3);
});

test('attaching to one that is paused is refused', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  await fixture.engine.pause(id);
  assert.throws(() => fixture.engine.attach(id, live, {}), { code: 'failed_precondition' });
});

test('the terminal’s size is known to the process from its start, and later', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const { id } = await engine.create(specOf({ cmd: ['serve'], tty: true }));
  await engine.resize(id, { rows: 50, cols: 100 });
  await engine.start(id, never);
  assert.deepEqual(fixture.process(id).spec.size, { rows: 50, cols: 100 });
  assert.ok(fixture.process(id).spec.env.includes('TERM=xterm'));
  await engine.resize(id, { rows: 24, cols: 80 });
  assert.deepEqual(fixture.process(id).size, { rows: 24, cols: 80 });
});

test('a client that waits for a start is let go when the container is removed', async () => {
  const { engine } = new EngineFixture();
  const { id } = await engine.create(specOf());
  const { done } = engine.attach(id, live, collector().streams);
  await engine.remove(id, { force: false, volumes: false });
  await done;
});

test('a client that comes while the end is being told gets the log and its end', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['echo', 'late'] });
  const slow = new SlowClient();
  engine.attach(id, { ...live, logs: true }, slow.streams);
  while (slow.bytes === 0) await new Promise(setImmediate);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  assert.equal(engine.get(id).status, 'running', 'the slow client has not taken everything');
  const late = collector();
  const { done } = engine.attach(id, { ...live, logs: true }, late.streams);
  await done;
  assert.equal(late.text(), 'late\n');
  slow.openUp();
  assert.equal((await engine.wait(id, 'not-running', never).exit).exitCode, 0);
});
