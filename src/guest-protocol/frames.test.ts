import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../protocol/samples.ts';
import { EngineError } from '../errors/engine-error.ts';
import {
  encodeAgentFrame,
  encodeHostFrame,
  encodeSync,
  FrameReader,
  sessionFrom,
  SyncHunter,
} from './frames.ts';
import { decodeAgentMessage, decodeHostMessage, limits } from './generated.ts';
import type { Frame } from './frames.ts';

const session = 0x11223344;

function collect(reader: FrameReader, chunks: Iterable<Uint8Array>): Frame[] {
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    for (const frame of reader.push(chunk)) frames.push({ ...frame, payload: Buffer.from(frame.payload) });
  }
  return frames;
}

function* pieces(bytes: Buffer, size: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const next = at + size();
    yield bytes.subarray(at, next);
    at = next;
  }
}

const refused = (thrown: unknown): boolean => thrown instanceof EngineError && thrown.code === 'unavailable';

describe('FrameReader', () => {
  const stream = Buffer.concat([
    encodeHostFrame(session, 1, { type: 'ping' }),
    encodeHostFrame(session, 2, { type: 'setHostname', hostname: 'web' }),
    encodeHostFrame(session, 9, { type: 'stdin', offset: 5n, bytes: Buffer.alloc(limits.MAX_DATA, 7) }),
    encodeHostFrame(session, 3, { type: 'ping' }),
  ]);

  it('cuts a stream into frames, however it is chopped', () => {
    const random = new Random(3);
    for (const size of [() => 1, () => 15, () => 17, () => stream.length, () => 1 + random.below(5000)]) {
      const frames = collect(new FrameReader(session), pieces(stream, size));
      assert.deepEqual(
        frames.map(({ id, opcode, payload }) => [id, decodeHostMessage(opcode, payload).type]),
        [
          [1, 'ping'],
          [2, 'setHostname'],
          [9, 'stdin'],
          [3, 'ping'],
        ],
      );
    }
  });

  it('carries a data frame unchanged', () => {
    const bytes = new Random(4).bytes(1000);
    const whole = encodeAgentFrame(session, 7, { type: 'data', stream: 'stderr', offset: 1n << 40n, bytes });
    const [frame] = collect(new FrameReader(session), [whole]);
    assert.ok(frame);
    assert.equal(frame.id, 7);
    assert.deepEqual(decodeAgentMessage(frame.opcode, frame.payload), {
      type: 'data',
      stream: 'stderr',
      offset: 1n << 40n,
      bytes,
    });
  });

  const damage: readonly (readonly [string, (frame: Buffer) => void])[] = [
    ['another session', (frame) => void frame.writeUInt32LE(session + 1, 4)],
    ['a length beyond the limit', (frame) => void frame.writeUInt32LE(limits.MAX_PAYLOAD + 1, 0)],
    ['a reserved field that is not zero', (frame) => void frame.writeUInt16LE(1, 10)],
    ['a trailer that does not match', (frame) => void frame.writeUInt32LE(0, frame.length - 4)],
  ];
  for (const [what, break_] of damage) {
    it(`refuses ${what}`, () => {
      for (const size of [1, 1000]) {
        const frame = encodeHostFrame(session, 1, { type: 'setHostname', hostname: 'web' });
        break_(frame);
        assert.throws(
          () =>
            collect(
              new FrameReader(session),
              pieces(frame, () => size),
            ),
          refused,
        );
      }
    });
  }

  it('yields frames or refuses, whatever bytes come', () => {
    const random = new Random(5);
    for (let i = 0; i < 500; i++) {
      const bytes = Buffer.from(stream);
      bytes[random.below(80)] = random.below(256);
      try {
        collect(
          new FrameReader(session),
          pieces(bytes, () => 1 + random.below(4000)),
        );
      } catch (thrown) {
        assert.ok(refused(thrown), String(thrown));
      }
    }
  });

  it('refuses to send a payload beyond the limit', () => {
    assert.throws(
      () => encodeHostFrame(session, 1, { type: 'setHostname', hostname: 'x'.repeat(limits.MAX_PAYLOAD) }),
      (thrown) => thrown instanceof EngineError && thrown.code === 'invalid_argument',
    );
  });
});

describe('sync', () => {
  const sync = { session, generation: 1, nonce: 0x0123456789abcdefn };

  it('is found in anything, however it is chopped, and what follows is kept', () => {
    const noise = Buffer.concat([
      Buffer.from('DVM-SYNC-GUEST\n\xd5DVM-SYNC', 'latin1'),
      new Random(6).bytes(3000),
    ]);
    const stream = Buffer.concat([noise, encodeSync('agent', sync, false), Buffer.from('frames')]);
    const random = new Random(7);
    for (const size of [() => 1, () => stream.length, () => 1 + random.below(40)]) {
      const hunter = new SyncHunter('agent', ({ nonce }) => nonce === sync.nonce);
      let rest = Buffer.alloc(0);
      let found: unknown;
      for (const piece of pieces(stream, size)) {
        if (found !== undefined) rest = Buffer.concat([rest, piece]);
        const hit = found === undefined ? hunter.push(piece) : undefined;
        if (hit) [found, rest] = [hit.sync, Buffer.from(hit.rest)];
      }
      assert.deepEqual(found, sync);
      assert.equal(rest.toString(), 'frames');
    }
  });

  it('passes over a block with another nonce', () => {
    const hunter = new SyncHunter('agent', ({ nonce }) => nonce === sync.nonce);
    const stale = encodeSync('agent', { ...sync, nonce: 1n }, false);
    assert.equal(hunter.push(stale), undefined);
    assert.deepEqual(hunter.push(encodeSync('agent', sync, false))?.sync, sync);
  });

  it('fills up a broken frame: no run of zeros ends a frame of any session', () => {
    const random = new Random(8);
    for (let i = 0; i < 200; i++) {
      const number = sessionFrom(random.bytes(4));
      const reader = new FrameReader(number);
      const frame = encodeHostFrame(number, 1, { type: 'setHostname', hostname: 'web' });
      const cut = 1 + random.below(frame.length - 1);
      const sent = Buffer.concat([frame.subarray(0, cut), encodeSync('host', sync, true)]);
      assert.throws(() => collect(reader, [sent]), refused);
    }
  });
});
