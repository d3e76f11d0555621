import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { LogQuery } from '../../engine/model/log.ts';
import { FileLog } from './file-log.ts';
import type { LogWriterOptions } from './log-writer.ts';

const signal = new AbortController().signal;
const everything: LogQuery = { stdout: true, stderr: true, follow: false };

async function optionsFor(
  context: TestContext,
  options: Partial<LogWriterOptions> = {},
): Promise<LogWriterOptions> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-log-'));
  const whole = {
    directory: join(directory, 'log'),
    maxFileBytes: 1 << 20,
    maxFiles: 3,
    onFailure: (error: unknown) => assert.fail(String(error)),
    ...options,
  };
  context.after(async () => {
    for (const log of opened.get(whole) ?? []) await log.endRun();
    await rm(directory, { recursive: true });
  });
  return whole;
}

const opened = new WeakMap<LogWriterOptions, FileLog[]>();

function openLog(options: LogWriterOptions): FileLog {
  const log = new FileLog(options);
  opened.set(options, [...(opened.get(options) ?? []), log]);
  return log;
}

/** Appends texts as one process's output. */
class Output {
  readonly log: FileLog;
  readonly #at = { stdout: 0n, stderr: 0n };

  constructor(log: FileLog) {
    this.log = log;
    log.beginRun();
  }

  write(stream: 'stdout' | 'stderr', text: string | Buffer): Promise<void> {
    const chunk = Buffer.from(text);
    const offset = this.#at[stream];
    this.#at[stream] += BigInt(chunk.length);
    return this.log.append(stream, offset, chunk);
  }
}

async function lines(log: FileLog, query: Partial<LogQuery> = {}): Promise<string[]> {
  const all: string[] = [];
  for await (const batch of log.readLines({ ...everything, ...query }, signal))
    all.push(...batch.map(({ data }) => Buffer.from(data).toString()));
  return all;
}

async function bytes(log: FileLog): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const { data } of log.readChunks(log.position(), signal)) all.push(data);
  return Buffer.concat(all);
}

test('lines are cut at line feeds, in order, streams apart', async (context) => {
  const output = new Output(openLog(await optionsFor(context)));
  void output.write('stdout', 'one\ntw');
  void output.write('stderr', 'warn');
  void output.write('stdout', 'o\nthree');
  await output.write('stderr', 'ing\n');
  assert.deepEqual(await lines(output.log), ['one\n', 'two\n', 'warning\n']);
  await output.log.endRun();
  assert.deepEqual(await lines(output.log), ['one\n', 'two\n', 'warning\n', 'three']);
  assert.deepEqual(await lines(output.log, { stdout: false }), ['warning\n']);
});

test('a line without end is cut after every 16 KiB', async (context) => {
  const output = new Output(openLog(await optionsFor(context)));
  void output.write('stdout', 'x'.repeat(40_000));
  await output.write('stdout', '\ny\n');
  assert.deepEqual(
    (await lines(output.log)).map((line) => line.length),
    [16384, 16384, 40_000 - 2 * 16384 + 1, 2],
  );
});

test('nothing is on the disk until there is output', async (context) => {
  const options = await optionsFor(context);
  const log = openLog(options);
  log.beginRun();
  await log.endRun();
  await assert.rejects(readdir(options.directory), { code: 'ENOENT' });
  assert.deepEqual(await lines(log), []);
});

test('the last lines are found from the end, whatever lies before', async (context) => {
  const output = new Output(openLog(await optionsFor(context, { maxFileBytes: 100_000, maxFiles: 100 })));
  const expected: string[] = [];
  for (let number = 0; number < 5000; number++) {
    const line = `line ${number} ${'.'.repeat(number % 97)}\n`;
    expected.push(line);
    const cut = number % 7;
    const stream = number % 3 === 0 ? 'stderr' : 'stdout';
    void output.write(stream, line.slice(0, cut));
    await output.write(stream, line.slice(cut));
  }
  const all = await lines(output.log);
  assert.deepEqual(all, expected);
  for (const tail of [1, 2, 10, 1000, 4999, 5000, 6000])
    assert.deepEqual(await lines(output.log, { tail }), expected.slice(-tail), `tail ${tail}`);
  assert.deepEqual(await lines(output.log, { tail: 0 }), []);
});

test('the tail of a log without line feeds reads only the tail', async (context) => {
  const output = new Output(openLog(await optionsFor(context, { maxFileBytes: 64 << 20 })));
  await output.write('stdout', Buffer.alloc(8 << 20, 'z'));
  await output.log.endRun();
  const tail = await lines(output.log, { tail: 3 });
  assert.equal(tail.length, 3);
  assert.ok(tail.every((line) => /^z+$/.test(line) && line.length <= 16384));
});

test('it is rotated by size and keeps so many files', async (context) => {
  const options = await optionsFor(context, { maxFileBytes: 10_000, maxFiles: 3 });
  const output = new Output(openLog(options));
  for (let number = 0; number < 1000; number++) await output.write('stdout', `${number} ${'.'.repeat(90)}\n`);
  const files = await readdir(options.directory);
  assert.equal(files.length, 3);
  for (const file of files) assert.ok((await stat(join(options.directory, file))).size <= 10_000);
  const kept = await lines(output.log);
  assert.ok(kept.length > 100 && kept.length < 300);
  assert.match(kept.at(-1) ?? '', /^999 /);
});

test('since and until choose lines by their time', async (context) => {
  const output = new Output(openLog(await optionsFor(context)));
  for (const line of ['a\n', 'b\n', 'c\n', 'd\n']) await output.write('stdout', line);
  const times: bigint[] = [];
  for await (const batch of output.log.readLines(everything, signal))
    times.push(...batch.map(({ timeNs }) => timeNs));
  const [, second, third] = times;
  assert.ok(second !== undefined && third !== undefined && second < third);
  assert.deepEqual(await lines(output.log, { sinceNs: second, untilNs: third }), ['b\n', 'c\n']);
  assert.deepEqual(await lines(output.log, { sinceNs: third }), ['c\n', 'd\n']);
});

test('who follows gets what was there and what comes, until the run ends', async (context) => {
  const output = new Output(openLog(await optionsFor(context, { maxFileBytes: 2000, maxFiles: 1000 })));
  await output.write('stdout', 'before\n');
  const following = lines(output.log, { follow: true });
  const expected = ['before\n'];
  for (let number = 0; number < 500; number++) {
    expected.push(`${number}\n`);
    await output.write('stdout', `${number}\n`);
  }
  void output.write('stdout', 'unfinished');
  await output.log.endRun();
  assert.deepEqual(await following, [...expected, 'unfinished']);
});

test('following ends with the signal, and at its until', async (context) => {
  const output = new Output(openLog(await optionsFor(context)));
  await output.write('stdout', 'a\n');
  const giveUp = new AbortController();
  const seen: string[] = [];
  await assert.rejects(
    async () => {
      for await (const batch of output.log.readLines({ ...everything, follow: true }, giveUp.signal)) {
        seen.push(...batch.map(({ data }) => String(data)));
        giveUp.abort();
      }
    },
    { name: 'AbortError' },
  );
  assert.equal(seen.length, 1);
  const untilNs = BigInt(Date.now() + 50) * 1_000_000n;
  assert.deepEqual(await lines(output.log, { follow: true, untilNs }), ['a\n']);
});

test('a daemon that takes over knows where the streams stood', async (context) => {
  const options = await optionsFor(context, { maxFileBytes: 300 });
  const output = new Output(openLog(options));
  await output.write('stderr', 'only at the begin\n');
  for (let number = 0; number < 100; number++) await output.write('stdout', `line ${number}\n`);
  const log = openLog(options);
  assert.equal(log.end('stderr'), 18n);
  assert.equal(log.end('stdout'), output.log.end('stdout'));
  log.resumeRun();
  const end = log.end('stdout');
  await log.append('stdout', end - 3n, Buffer.from('99\nnew\n')); // the guest may send again what was not acknowledged
  assert.deepEqual((await lines(log)).slice(-2), ['line 99\n', 'new\n']);
});

test('a torn record at the end is cut off, wherever it was torn', async (context) => {
  const options = await optionsFor(context);
  const output = new Output(openLog(options));
  await output.write('stdout', 'whole\n');
  const file = join(options.directory, '00000001.log');
  const whole = (await stat(file)).size;
  const writer = openLog(options);
  writer.resumeRun();
  await writer.append(
    'stdout',
    6n,
    Buffer.from('torn, and rather long so that there are places to tear it\n'),
  );
  const full = (await stat(file)).size;
  for (let size = full - 1; size > whole; size -= 5) {
    await truncate(file, size);
    const log = openLog(options);
    assert.equal(log.end('stdout'), 6n);
    assert.equal((await stat(file)).size, whole);
    assert.deepEqual(await lines(log), ['whole\n']);
    await appendFile(file, randomBytes(full - whole)); // garbage instead: as after a power cut
  }
});

test('what a container prints cannot pass for a record after a torn one', async (context) => {
  const options = await optionsFor(context);
  const output = new Output(openLog(options));
  await output.write('stdout', 'first\n');
  const file = join(options.directory, '00000001.log');
  const whole = (await stat(file)).size;
  // A perfect record but for the salt, which the container cannot know, at the very end of a torn one.
  const forged = Buffer.alloc(32);
  forged.writeUInt8(1, 4);
  forged.writeBigUInt64LE(1n << 40n, 16);
  await appendFile(file, Buffer.concat([Buffer.from([200, 0, 0, 0, 1, 0, 0, 0]), Buffer.alloc(16), forged]));
  const log = openLog(options);
  assert.equal(log.end('stdout'), 6n);
  assert.equal((await stat(file)).size, whole);
});

test('a file whose header was torn is left for a new one', async (context) => {
  const options = await optionsFor(context);
  const output = new Output(openLog(options));
  await output.write('stdout', 'kept\n');
  await writeFile(join(options.directory, '00000002.log'), 'DVML');
  const log = openLog(options);
  assert.equal(log.end('stdout'), 5n);
  log.resumeRun();
  await log.append('stdout', 5n, Buffer.from('on\n'));
  assert.deepEqual(await lines(log), ['kept\n', 'on\n']);
  assert.deepEqual(await lines(log, { tail: 1 }), ['on\n']);
});

test('what the process wrote comes back byte for byte, up to the place that was asked for', async (context) => {
  const output = new Output(openLog(await optionsFor(context, { maxFileBytes: 64 << 20 })));
  const data = randomBytes(3 << 20);
  for (let at = 0; at < data.length; at += 32_768)
    void output.write('stdout', data.subarray(at, at + 32_768));
  const until = output.log.position();
  const chunks: Buffer[] = [];
  await output.write('stdout', 'later');
  for await (const chunk of output.log.readChunks(until, signal)) chunks.push(chunk.data);
  assert.ok(Buffer.concat(chunks).equals(data));
  assert.ok((await bytes(output.log)).equals(Buffer.concat([data, Buffer.from('later')])));
});

test('a log that cannot be written does not hold the process up, is reported once, and goes on later', async (context) => {
  const failures: unknown[] = [];
  const options = await optionsFor(context, { onFailure: (error) => failures.push(error) });
  const output = new Output(openLog(options));
  await writeFile(options.directory, 'a file stands where the directory should be');
  await output.write('stdout', 'lost 1\n');
  await output.write('stdout', 'lost 2\n');
  assert.equal(failures.length, 1);
  await rm(options.directory);
  await output.write('stdout', 'kept\n');
  assert.deepEqual(await lines(output.log), ['kept\n']);
  await output.log.endRun();
});
