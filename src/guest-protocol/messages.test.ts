import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { framesFrom, Random, sampleMessage } from '../../protocol/samples.ts';
import { EngineError } from '../errors/engine-error.ts';
import { ByteWriter } from './bytes.ts';
import { decodeAgentMessage, decodeHostMessage, encodeAgentMessage, encodeHostMessage } from './generated.ts';
import type { AgentMessage, HostMessage } from './generated.ts';
import { limits } from './generated.ts';

const sides = {
  host: {
    encode: (message: unknown) => encoded((w) => encodeHostMessage(w, message as HostMessage)),
    decode: decodeHostMessage,
  },
  agent: {
    encode: (message: unknown) => encoded((w) => encodeAgentMessage(w, message as AgentMessage)),
    decode: decodeAgentMessage,
  },
} as const;

function encoded(write: (w: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(0, limits.MAX_PAYLOAD);
  write(writer);
  return writer.finish();
}

/** The only thing a decoder may throw at hostile bytes. */
function isProtocolError(thrown: unknown): boolean {
  return thrown instanceof EngineError && thrown.code === 'unavailable';
}

describe('messages', () => {
  for (const side of ['host', 'agent'] as const) {
    const { encode, decode } = sides[side];
    for (const frame of framesFrom(side)) {
      it(`${frame.name} comes back as it was sent`, () => {
        const random = new Random(frame.opcode);
        for (let i = 0; i < 20; i++) {
          const message = sampleMessage(random, frame);
          assert.deepEqual(decode(frame.opcode, encode(message)), message);
        }
      });

      it(`${frame.name} is refused when cut short or too long`, () => {
        const payload = encode(sampleMessage(new Random(1), frame));
        const open = frame.fields.at(-1)?.type.kind === 'rest';
        for (let length = 0; length < payload.length; length++) {
          if (open && length >= payload.length - 1000) continue;
          assert.throws(() => decode(frame.opcode, payload.subarray(0, length)), isProtocolError);
        }
        if (!open) {
          assert.throws(() => decode(frame.opcode, Buffer.concat([payload, Buffer.of(0)])), isProtocolError);
        }
      });

      it(`${frame.name} with random damage is decoded or refused, nothing else`, () => {
        const random = new Random(frame.opcode + 7);
        for (let i = 0; i < 300; i++) {
          const payload = Buffer.from(encode(sampleMessage(random, frame)));
          for (let n = random.below(4); n >= 0 && payload.length > 0; n--) {
            payload[random.below(payload.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
          }
          try {
            const message = decode(frame.opcode, payload);
            assert.deepEqual(decode(frame.opcode, encode(message)), message);
          } catch (thrown) {
            assert.ok(isProtocolError(thrown), String(thrown));
          }
        }
      });
    }

    it(`refuses an opcode the ${side} does not send`, () => {
      assert.throws(() => decode(0x7fff, Buffer.alloc(0)), isProtocolError);
    });
  }

  it('refuses a list that announces more items than there are bytes', () => {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(0xffff_ffff);
    assert.throws(() => decodeAgentMessage(0x8209, payload), isProtocolError);
  });

  it('refuses to send a string with a NUL byte', () => {
    assert.throws(
      () => encoded((w) => encodeHostMessage(w, { type: 'setHostname', hostname: 'a\0b' })),
      (thrown) => thrown instanceof EngineError && thrown.code === 'invalid_argument',
    );
  });

  it('refuses to receive a string with a NUL byte or broken UTF-8', () => {
    const text = (bytes: number[]): Buffer => Buffer.from([0, 0, 0, 0, 0, bytes.length, 0, 0, 0, ...bytes]);
    const code = Buffer.from([1]);
    for (const bytes of [[0], [0xff], [0xc3], [0xed, 0xa0, 0x80]]) {
      const payload = Buffer.concat([code, text(bytes).subarray(1)]);
      assert.throws(() => decodeAgentMessage(0x0002, payload), isProtocolError);
    }
  });
});
