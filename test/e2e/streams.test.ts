/** Standard input and output for more bytes than any buffer holds, and for a reader that is slow. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import { DvmCommand } from './dvm-command.ts';
import { loadBusybox } from './test-images.ts';

const mebibyte = 1024 * 1024;

void test('streams', { timeout: 900_000 }, async (t) => {
  await using daemon = await startDaemon();
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);

  await t.test('a gigabyte in and out again, byte for byte', async () => {
    const { sent, received, bytes, code } = await throughCat(dvm, 1024, [
      'run',
      '-i',
      '--rm',
      '--log-driver',
      'none',
      'busybox',
      'cat',
    ]);
    assert.equal(bytes, 1024 * mebibyte);
    assert.equal(received, sent);
    assert.equal(code, 0);
  });

  await t.test('the same through exec, a quarter of it', async () => {
    await dvm.run(['run', '-d', '--name', 'exec-streams', 'busybox', 'sleep', '100000']);
    const { sent, received, bytes, code } = await throughCat(dvm, 256, ['exec', '-i', 'exec-streams', 'cat']);
    assert.equal(bytes, 256 * mebibyte);
    assert.equal(received, sent);
    assert.equal(code, 0);
    await dvm.run(['rm', '-f', 'exec-streams']);
  });

  await t.test('both output streams, kept apart, complete', async () => {
    const script = 'i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done';
    const { stdout, stderr } = await dvm.try(['run', '--rm', 'busybox', 'sh', '-c', script]);
    const expected = (word: string) => Array.from({ length: 2000 }, (_, i) => `${word} ${i}\n`).join('');
    assert.equal(stdout, expected('out'));
    assert.equal(stderr, expected('err'));
  });

  await t.test('a process that stops reading its input does not hang the client', async () => {
    const input = Buffer.alloc(8 * mebibyte, 'abc');
    const { code, stdout } = await dvm.try(['run', '-i', '--rm', 'busybox', 'head', '-c', '3'], { input });
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'abc' });
  });

  await t.test(
    'a slow reader holds the process back: nothing is lost, nothing piles up in the daemon',
    async () => {
      const total = 128 * mebibyte;
      const child = dvm.spawn(
        [
          'run',
          '--rm',
          '--log-driver',
          'none',
          'busybox',
          'sh',
          '-c',
          `head -c ${total} /dev/zero; echo end >&2`,
        ],
        { timeoutMs: 300_000 },
      );
      child.stdin.end();
      const exited = once(child, 'exit') as Promise<[number | null]>;
      let ended = false;
      child.stderr.on('data', () => (ended = true));
      const before = await residentBytes(daemon.pid);

      let bytes = 0;
      let peak = 0;
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > 4 * mebibyte) continue;
        // Slow: a whole request to the daemon between two chunks.
        await dvm.run(['version']);
        peak = Math.max(peak, await residentBytes(daemon.pid));
        assert.equal(ended, false, 'the process ended although nobody had read its output');
      }
      assert.equal(bytes, total);
      assert.deepEqual((await exited)[0], 0);
      assert.ok(
        peak - before < 48 * mebibyte,
        `the daemon grew by ${Math.round((peak - before) / mebibyte)} MiB`,
      );
    },
  );
});

/** Random bytes through a command that is expected to give them back; digests of what went in and what came out. */
async function throughCat(dvm: DvmCommand, mebibytes: number, args: readonly string[]) {
  const child = dvm.spawn(args, { timeoutMs: 600_000 });
  child.stderr.pipe(process.stderr);
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const sent = createHash('sha256');
  const received = createHash('sha256');
  let bytes = 0;
  const chunk = randomBytes(mebibyte);
  function* input() {
    for (let number = 0; number < mebibytes; number++) {
      chunk.writeUInt32LE(number, 0);
      const copy = Buffer.from(chunk);
      sent.update(copy);
      yield copy;
    }
  }
  const writing = pipeline(Readable.from(input()), child.stdin);
  for await (const data of child.stdout as AsyncIterable<Buffer>) {
    received.update(data);
    bytes += data.length;
  }
  await writing;
  const [code] = await exited;
  return { sent: sent.digest('hex'), received: received.digest('hex'), bytes, code };
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}
