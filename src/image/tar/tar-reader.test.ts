import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tarOf } from '../../../test/e2e/crafted-image.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { TarEntry, TarSink } from './tar-entry.ts';
import { TarReader } from './tar-reader.ts';

interface Member {
  readonly entry: TarEntry;
  content: Buffer;
}

class Collector implements TarSink {
  readonly members: Member[] = [];
  entry(entry: TarEntry): void {
    this.members.push({ entry, content: Buffer.alloc(0) });
  }
  data(chunk: Buffer): void {
    const last = this.members.at(-1);
    if (last) last.content = Buffer.concat([last.content, chunk]);
  }
  zeros(count: number): void {
    assert.ok(count < 10_000_000);
    this.data(Buffer.alloc(count));
  }
  end(): void {
    assert.equal(this.members.at(-1)?.content.length, this.members.at(-1)?.entry.size);
  }
}

function read(archive: Buffer, step = archive.length): readonly Member[] {
  const collector = new Collector();
  const reader = new TarReader(collector);
  for (let at = 0; at < archive.length; at += step) reader.push(archive.subarray(at, at + step));
  reader.finish();
  return collector.members;
}

/** A header with any type and size, and its body. */
function member(
  typeflag: string,
  name: string,
  body: Buffer | string = '',
  change: (header: Buffer) => void = () => undefined,
): Buffer {
  const content = Buffer.from(body);
  const block = tarOf([{ name, content }]).subarray(0, -1024);
  const header = Buffer.from(block.subarray(0, 512));
  header.write(typeflag, 156, 'latin1');
  change(header);
  header.fill(' ', 148, 156);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  );
  return Buffer.concat([header, block.subarray(512)]);
}

function pax(records: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`, 'latin1');
    let length = rest + 1;
    while (String(length).length + rest !== length) length = String(length).length + rest;
    return `${length} ${key}=${value}\n`;
  });
  return member('x', 'PaxHeader', Buffer.from(lines.join(''), 'latin1'));
}
const end = Buffer.alloc(1024);
const archive = (...parts: Buffer[]) => Buffer.concat([...parts, end]);
const refused = (message: RegExp) => (error: unknown) =>
  error instanceof EngineError && message.test(error.message);

test('the same members however the bytes are cut', () => {
  const long = 'd/'.repeat(120) + 'name';
  const bytes = archive(
    member('0', 'a', 'x'.repeat(1000)),
    pax({ path: long, mtime: '-1.25', uid: '3000000000', 'SCHILY.xattr.user.a': 'b=c\nd' }),
    member('0', 'short', 'content'),
    member('L', '././@LongLink', `${long}2\0`),
    member('K', '././@LongLink', 'long target\0'),
    member('2', 'link'),
    member('5', 'dir/'),
  );
  const whole = read(bytes);
  assert.deepEqual(
    whole.map(({ entry }) => [entry.type, entry.name, entry.size]),
    [
      ['file', 'a', 1000],
      ['file', long, 7],
      ['symlink', `${long}2`, 0],
      ['directory', 'dir/', 0],
    ],
  );
  const second = whole[1]?.entry;
  assert.deepEqual(
    [second?.mtimeSeconds, second?.mtimeNanoseconds, second?.uid],
    [-2, 750_000_000, 3_000_000_000],
  );
  assert.equal(second?.xattrs?.get('user.a')?.toString(), 'b=c\nd');
  assert.equal(whole[2]?.entry.linkName, 'long target');
  assert.equal(whole[3]?.entry.xattrs, undefined, 'extended headers are for one member only');
  for (const step of [1, 7, 511, 512, 513, 1000]) assert.deepEqual(read(bytes, step), whole);
});

test('numbers in base 256, old archives, and names of bytes', () => {
  const big = member('0', 'big', '', (header) => {
    header.fill(0, 108, 116);
    header.writeUInt8(0x80, 108);
    header.writeUInt32BE(0xfffffffe, 112);
    header.fill(0xff, 136, 148); // mtime -1
  });
  const v7 = member('\0', 'old/', '', (header) => header.fill(0, 257, 512));
  const bytes = member('0', 'x', '', (header) => header.set([0xff, 0xfe], 0));
  const [first, second, third] = read(archive(big, v7, bytes));
  assert.deepEqual([first?.entry.uid, first?.entry.mtimeSeconds], [0xfffffffe, -1]);
  assert.equal(second?.entry.type, 'directory');
  assert.equal(third?.entry.name, '\u00ff\u00fe');
});

test('global headers are skipped, sizes of links ignored', () => {
  const link = member('1', 'l', '', (header) => header.write('00000001000', 124, 'latin1'));
  const members = read(
    archive(member('g', 'global', '30 path=must-not-be-used-now\n\n'), link, member('0', 'f', 'x')),
  );
  assert.deepEqual(
    members.map(({ entry }) => entry.name),
    ['l', 'f'],
  );
});

test('a sparse map with regions out of order, beyond the end, or of the wrong sum', () => {
  const sparse = (map: string, size: string, body: string) =>
    archive(
      pax({
        'GNU.sparse.major': '0',
        'GNU.sparse.minor': '1',
        'GNU.sparse.map': map,
        'GNU.sparse.size': size,
      }),
      member('0', 's', body),
    );
  assert.equal(
    read(sparse('0,2,10,2', '20', 'abcd'))[0]?.content.toString('latin1'),
    `ab${'\0'.repeat(8)}cd${'\0'.repeat(8)}`,
  );
  for (const map of ['10,2,0,2', '0,2,19,2', '0,2,10,3', '0,2,10', '0,-2,10,6', '0,2,9007199254740990,2']) {
    assert.throws(() => read(sparse(map, '20', 'abcd')), refused(/sparse/), map);
  }
  const inBody = (body: string, size = '20') =>
    archive(
      pax({
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.realsize': size,
        'GNU.sparse.name': 'real',
      }),
      member('0', 's', body),
    );
  const good = read(inBody(`1\n4\n2\n`.padEnd(512, '\0') + 'ab'));
  assert.deepEqual(
    [good[0]?.entry.name, good[0]?.content.toString('latin1')],
    ['real', `${'\0'.repeat(4)}ab${'\0'.repeat(14)}`],
  );
  assert.throws(() => read(inBody('x'.repeat(600))), refused(/without line ends|not a number/));
  assert.throws(() => read(inBody('5\n1\n')), refused(/sparse/));
  assert.throws(() => read(inBody('100001\n')), refused(/more than 100000/));
  assert.throws(() => read(inBody('')), refused(/no map/));
});

test('what is corrupt is refused, whatever it pretends', () => {
  const size = (text: string) => member('0', 'f', '', (header) => header.write(text, 124, 'latin1'));
  assert.throws(() => read(archive(size('0000000000x'))), refused(/size is not a number/));
  assert.throws(
    () => read(archive(member('0', 'f', '', (header) => header.fill(0xff, 124, 136)))),
    refused(/negative size/),
  );
  assert.throws(
    () => read(archive(member('0', 'f', '', (header) => header.fill(0x7f, 125, 136).writeUInt8(0x80, 124)))),
    refused(/size is not a number/),
  );
  assert.throws(() => read(archive(member('Z', 'f'))), refused(/unknown type "Z": "f"/));
  assert.throws(
    () => read(Buffer.concat([member('0', 'f'), Buffer.alloc(512), member('0', 'g')])),
    refused(/empty block/),
  );
  assert.throws(() => read(archive(member('x', 'p', '5 a=b'))), refused(/wrong length/));
  assert.throws(() => read(archive(member('x', 'p', '99999999999 a=b\n'))), refused(/wrong length/));
  assert.throws(() => read(archive(member('x', 'p', '3 \n'))), refused(/without "="/));
  assert.throws(() => read(archive(pax({ path: 'a\0b' }), member('0', 'f'))), refused(/NUL/));
  assert.throws(() => read(archive(pax({ size: '-5' }), member('0', 'f'))), refused(/negative size/));
  assert.throws(() => read(archive(pax({ mtime: 'tomorrow' }), member('0', 'f'))), refused(/not a time/));
  const huge = member('x', 'p', '', (header) => header.write('00777777777', 124, 'latin1'));
  assert.throws(() => read(archive(huge)), refused(/extended header of 134217727 bytes/));
  assert.throws(() => read(pax({ path: 'x' })), refused(/truncated/));
});

test('rubbish of any kind ends in an EngineError or in members, never in anything else', () => {
  const seed = archive(
    pax({ path: 'p', 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9' }),
    member('0', 'f', '1\n4\n2\n'.padEnd(514, '\0')),
    member('S', 's', 'x'),
    member('2', 'l'),
  );
  let state = 1;
  const random = (below: number) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % below;
  };
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(seed);
    for (let i = random(8); i >= 0; i--) bytes.writeUInt8(random(256), random(bytes.length));
    // A right checksum takes the rubbish past the first gate.
    for (let at = 0; at + 512 <= bytes.length; at += 512) {
      if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
      bytes.fill(' ', at + 148, at + 156);
      const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
      bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
    }
    try {
      new TarReader({
        entry: () => undefined,
        data: () => undefined,
        zeros: () => undefined,
        end: () => undefined,
      }).push(bytes);
    } catch (error) {
      assert.ok(error instanceof EngineError, String(error));
      assert.notEqual(error.code, 'internal');
    }
  }
});
