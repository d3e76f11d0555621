/** Bytes in and out of processes: whole, in order, held back, and picked up again by another daemon. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { GuestClient, processSpec } from './guest-client.ts';
import { type Guest, startGuest } from './guest-fixture.ts';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const window = 256n << 10n;

describe('streams', () => {
  let guest: Guest;
  before(async () => (guest = await startGuest()));
  after(async () => await guest[Symbol.asyncDispose]());

  it('carry megabytes on both at once, whole and in order', async () => {
    const { stdout, stderr } = await guest.run(
      'seq 1 200000 & seq 1 150000 >&2 & wait; sha256sum /bin/busybox >/dev/null',
    );
    const sequence = (n: number): string => Array.from({ length: n }, (_, i) => `${i + 1}\n`).join('');
    assert.equal(sha256(Buffer.from(stdout)), sha256(Buffer.from(sequence(200_000))));
    assert.equal(sha256(Buffer.from(stderr)), sha256(Buffer.from(sequence(150_000))));
  });

  it('block a process whose output nobody takes, and hold no more than the window', async () => {
    const { container, process } = await guest.start(['sh', '-c', 'seq 1 1000000; echo done >&2']);
    guest.client.held.add(process);
    const record = guest.client.process(process);
    await guest.client.until(() => BigInt(record.output.stdout.length) >= window);
    // While it is blocked the channel is as quick as ever.
    for (let i = 0; i < 5; i++) await guest.client.request({ type: 'ping' });
    assert.equal(BigInt(record.output.stdout.length), window);
    assert.equal(record.output.stderr.length, 0);
    guest.client.held.delete(process);
    guest.client.acknowledge(process, 'stdout');
    await guest.client.drained(process);
    assert.equal(record.output.stdout.length, 6_888_896);
    assert.equal(record.output.stderr.toString(), 'done\n');
    await guest.remove(container, process);
  });

  it('let requests overtake a flood of data', async () => {
    const { container, process } = await guest.start(['sh', '-c', 'exec cat /dev/zero']);
    const record = guest.client.process(process);
    await guest.client.until(() => record.output.stdout.length > 1 << 20);
    for (let i = 0; i < 10; i++) {
      const before = record.output.stdout.length;
      await guest.client.request({ type: 'ping' });
      assert.ok(
        record.output.stdout.length - before < 2 << 20,
        'more than two windows came before the answer',
      );
    }
    await guest.remove(container, process);
  });

  it('take turns between processes', async () => {
    const flood = await guest.start(['cat', '/dev/zero']);
    const { stdout } = await guest.run('for i in 1 2 3 4 5; do echo $i; done');
    assert.equal(stdout, '1\n2\n3\n4\n5\n');
    await guest.remove(flood.container, flood.process);
  });

  it('bring stdin in, at the pace of the reader, and its end', async () => {
    const bytes = Buffer.alloc(3 << 20, 'abcdefghij\n');
    const { container, process } = await guest.start(['sh', '-c', 'sleep 0.2; sha256sum'], {
      stdinOpen: true,
    });
    await sendStdin(process, bytes);
    const record = await guest.client.drained(process);
    assert.equal(record.output.stdout.toString(), `${sha256(bytes)}  -\n`);
    await guest.remove(container, process);
  });

  async function sendStdin(process: number, bytes: Buffer): Promise<void> {
    const record = guest.client.process(process);
    let sent = 0;
    while (sent < bytes.length) {
      const limit = Number(record.stdinWindow?.limit ?? window);
      if (record.stdinWindow?.closed === true) return;
      if (sent >= limit) {
        const seen = record.stdinWindow;
        await guest.client.until(() => record.stdinWindow !== seen);
        continue;
      }
      const end = Math.min(sent + (32 << 10), limit, bytes.length);
      guest.client.send(process, { type: 'stdin', offset: BigInt(sent), bytes: bytes.subarray(sent, end) });
      sent = end;
    }
    guest.client.send(process, { type: 'stdinClose', offset: BigInt(sent) });
  }

  it('tell when nobody reads stdin any more', async () => {
    const { container, process } = await guest.start(['sh', '-c', 'head -c 1; exec <&-; sleep 1000'], {
      stdinOpen: true,
    });
    guest.client.send(process, { type: 'stdin', offset: 0n, bytes: Buffer.from('ab') });
    const record = guest.client.process(process);
    await guest.client.until(() => record.stdinWindow?.closed === true);
    assert.equal(record.output.stdout.toString(), 'a');
    await guest.remove(container, process);
  });

  it('are a terminal when asked: size, echo, control characters, raw bytes, the end', async () => {
    const { container, process } = await guest.start(
      ['sh', '-c', 'tty; stty size; trap "stty size" WINCH; cat'],
      { tty: true, stdinOpen: true, rows: 30, cols: 90 },
    );
    const record = guest.client.process(process);
    const shows = async (text: string): Promise<void> =>
      await guest.client.until(() => record.output.stdout.includes(text));
    await shows('/dev/pts/0\r\n30 90\r\n');
    guest.client.send(process, { type: 'stdin', offset: 0n, bytes: Buffer.from('hey\n') });
    await shows('hey\r\nhey\r\n');
    await guest.client.request({ type: 'resize', process, rows: 40, cols: 100 });
    guest.client.send(process, { type: 'stdin', offset: 4n, bytes: Buffer.from('\x04') });
    await shows('40 100\r\n');
    const exit = (await guest.client.drained(process, ['stdout'])).exit;
    assert.equal(exit?.exitCode, 0);
    assert.equal(record.output.stderr.length, 0);
    await guest.remove(container, process);
  });

  it('interrupt the process of a terminal with ^C, also in an exec', async () => {
    const main = await guest.start(['sleep', '1000']);
    const handle = guest.handle();
    await guest.client.request({
      type: 'exec',
      container: main.container,
      process: processSpec(handle, ['sh', '-c', 'tty; sleep 1000'], {
        tty: true,
        stdinOpen: true,
        rows: 1,
        cols: 1,
      }),
    });
    const record = guest.client.process(handle);
    await guest.client.until(() => record.output.stdout.includes('/dev/pts/'));
    guest.client.send(handle, { type: 'stdin', offset: 0n, bytes: Buffer.from('\x03') });
    assert.equal((await guest.client.drained(handle, ['stdout'])).exit?.signal, 2);
    await guest.remove(main.container, main.process);
  });

  it('are silent when discarded, and the exit is told all the same', async () => {
    const main = await guest.start(['sleep', '1000']);
    for (const tty of [false, true]) {
      const handle = guest.handle();
      await guest.client.request({
        type: 'exec',
        container: main.container,
        process: processSpec(handle, ['sh', '-c', 'seq 1 100000; exit 4'], { discardOutput: true, tty }),
      });
      const record = await guest.client.ended(handle);
      assert.equal(record.exit?.exitCode, 4);
      assert.equal(record.output.stdout.length, 0);
      assert.equal(record.closed.size, 0);
    }
    await guest.remove(main.container, main.process);
  });

  it('go on where they were when another daemon connects in the middle of everything', async () => {
    const count = 400_000;
    const { process } = await guest.start(
      ['sh', '-c', `seq 1 ${count}; read line; echo "got $line"; exit 5`],
      { stdinOpen: true },
    );
    const quick = await guest.start(['sh', '-c', 'echo quick; exit 6']);
    await guest.client.drained(quick.process);
    for (let round = 0; round < 4; round++) {
      const record = guest.client.process(process);
      guest.client.held.add(process);
      const from = record.output.stdout.length;
      for (const more of [100_000, 200_000, 300_000]) {
        await guest.client.until(() => record.output.stdout.length >= from + more);
        guest.client.acknowledge(process, 'stdout', record.output.stdout.length - 5000);
      }
      // Break off with a frame half written, as a daemon that is killed would.
      const taken = Buffer.from(record.output.stdout.subarray(0, record.output.stdout.length - 1000 * round));
      const old = guest.client;
      const half = Buffer.alloc(10_000, 1);
      old.breakWith(half);
      guest.client = new GuestClient(await guest.machine.channel(), true);
      const client = guest.client;
      await client.until(() => client.hello !== undefined);
      const told = client.hello?.processes.find((one) => one.process === process);
      assert.ok(told !== undefined && told.state === 'running');
      assert.ok(told.stdoutAcked <= BigInt(taken.length), 'nothing is forgotten that was not acknowledged');
      const gone = client.hello?.processes.find((one) => one.process === quick.process);
      assert.deepEqual([gone?.state, gone?.exitCode, gone?.stdoutClosed], ['exited', 6, true]);
      client.process(process).output.stdout = taken;
      const limit = BigInt(taken.length) + window;
      client.send(process, { type: 'streamResume', stream: 'stdout', offset: BigInt(taken.length), limit });
      client.send(process, { type: 'streamResume', stream: 'stderr', offset: 0n, limit: window });
    }
    guest.client.acknowledge(process, 'stdout');
    await guest.client.until(() => guest.client.process(process).stdinWindow !== undefined);
    guest.client.send(process, { type: 'stdin', offset: 0n, bytes: Buffer.from('hello\n') });
    const record = await guest.client.drained(process);
    assert.equal(record.exit?.exitCode, 5);
    const lines = record.output.stdout.toString().trimEnd().split('\n');
    assert.equal(lines.length, count + 1);
    assert.equal(lines.at(-1), 'got hello');
    assert.ok(lines.slice(0, count).every((line, i) => line === String(i + 1)));
    guest.client.send(quick.process, { type: 'streamResume', stream: 'stdout', offset: 0n, limit: window });
    await guest.client.until(() => guest.client.process(quick.process).closed.has('stdout'));
    await guest.client.request({ type: 'releaseProcess', process: quick.process });
  });

  it('wait without using the processor while no daemon is there', async () => {
    const { process } = await guest.start(['cat', '/dev/zero']);
    await guest.client.until(() => guest.client.process(process).output.stdout.length > 100_000);
    guest.client[Symbol.dispose]();
    const used = await guest.machine.processorTicks(3000);
    assert.ok(used <= 15, `${used} ticks of 10 ms in 3 s`);
    guest.client = new GuestClient(await guest.machine.channel(), true);
    await guest.client.until(() => guest.client.hello !== undefined);
    const told = guest.client.hello?.processes.find((one) => one.process === process);
    assert.equal(told?.state, 'running');
  });
});
