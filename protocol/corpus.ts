/**
 * Writes messages of every kind, as the TypeScript side encodes them, for the C side to decode and encode again:
 * u16 opcode, u32 length, payload, little endian.
 *
 *   node protocol/corpus.ts FILE          all in one file
 *   node protocol/corpus.ts --seeds DIR   one file each, as seeds for the fuzzer (opcode, payload)
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { framesFrom, Random, sampleMessage } from './samples.ts';
import { ByteWriter } from '../src/guest-protocol/bytes.ts';
import { encodeAgentMessage, encodeHostMessage, limits } from '../src/guest-protocol/generated.ts';
import type { AgentMessage, HostMessage } from '../src/guest-protocol/generated.ts';

const perKind = 30;

function* corpus(): Generator<{ opcode: number; payload: Buffer }> {
  const random = new Random(2026);
  for (const side of ['host', 'agent'] as const) {
    for (const frame of framesFrom(side)) {
      for (let i = 0; i < perKind; i++) {
        const message: unknown = sampleMessage(random, frame);
        const writer = new ByteWriter(0, limits.MAX_PAYLOAD);
        if (side === 'host') encodeHostMessage(writer, message as HostMessage);
        else encodeAgentMessage(writer, message as AgentMessage);
        yield { opcode: frame.opcode, payload: writer.finish() };
      }
    }
  }
}

function header(opcode: number, length: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16LE(opcode, 0);
  bytes.writeUInt32LE(length, 2);
  return bytes;
}

const [first, second] = process.argv.slice(2);
if (first === '--seeds' && second !== undefined) {
  mkdirSync(second, { recursive: true });
  let number = 0;
  for (const { opcode, payload } of corpus()) {
    writeFileSync(join(second, String(number++)), Buffer.concat([header(opcode, 0).subarray(0, 2), payload]));
  }
} else if (first !== undefined) {
  const parts = [...corpus()].flatMap(({ opcode, payload }) => [header(opcode, payload.length), payload]);
  writeFileSync(first, Buffer.concat(parts));
} else {
  console.error('usage: corpus.ts FILE | --seeds DIR');
  process.exitCode = 2;
}
