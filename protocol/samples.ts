/** Random messages of every kind, reproducible from a seed: round trips, mutations, and the corpus of the C side. */
import { allEnums, allFrames, allStructs } from './schema.ts';
import type { Field, FieldType, FrameKind } from './schema.ts';

/** A small generator of random numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  below(limit: number): number {
    return this.u32() % limit;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
}

const strings = [
  '',
  '/',
  'a',
  '/bin/sh',
  'PATH=/usr/bin:/bin',
  'größer als ß',
  '\u{1f427} penguin',
  'x'.repeat(300),
];

function sampleField(random: Random, type: FieldType): unknown {
  switch (type.kind) {
    case 'primitive':
      switch (type.name) {
        case 'u8':
          return random.below(0x100);
        case 'u16':
          return random.below(0x10000);
        case 'u32':
          return random.u32();
        case 'i32':
          return random.u32() | 0;
        case 'u64':
          return random.u64();
        case 'i64':
          return BigInt.asIntN(64, random.u64());
        case 'bool':
          return random.below(2) === 1;
      }
      break;
    case 'string':
      return random.pick(strings);
    case 'bytes':
    case 'rest':
      return random.bytes(random.pick([0, 1, 7, 64, 1000]));
    case 'enum': {
      const values = allEnums.find((candidate) => candidate.name === type.name)?.values ?? [];
      return random.pick(values)[0];
    }
    case 'struct':
      return sampleFields(random, allStructs.find((candidate) => candidate.name === type.name)?.fields ?? []);
    case 'list':
      return Array.from({ length: random.pick([0, 0, 1, 2, 5]) }, () => sampleField(random, type.item));
  }
}

function sampleFields(random: Random, fields: readonly Field[]): Record<string, unknown> {
  return Object.fromEntries(fields.map(({ name, type }) => [name, sampleField(random, type)]));
}

/** A message with every field filled in; the caller knows its type by `frame.from`. */
export function sampleMessage(random: Random, frame: FrameKind): { type: string } & Record<string, unknown> {
  return { type: frame.name, ...sampleFields(random, frame.fields) };
}

export const framesFrom = (side: 'host' | 'agent'): readonly FrameKind[] =>
  allFrames.filter((frame) => frame.from === side);
