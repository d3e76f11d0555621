/** The definition as the emitters want it: types taken apart, replies as messages of their own, sizes known. */
import { enums, messages, structs } from './definition.ts';
import type { Fields, Message } from './definition.ts';

const primitiveSizes = { u8: 1, u16: 2, u32: 4, u64: 8, i32: 4, i64: 8, bool: 1 } as const;
export type Primitive = keyof typeof primitiveSizes;

export type FieldType =
  | { readonly kind: 'primitive'; readonly name: Primitive }
  | { readonly kind: 'string' }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'rest' }
  | { readonly kind: 'enum'; readonly name: string }
  | { readonly kind: 'struct'; readonly name: string }
  | { readonly kind: 'list'; readonly item: FieldType };

export interface Field {
  readonly name: string;
  readonly type: FieldType;
}

export interface Enum {
  readonly name: string;
  readonly values: readonly (readonly [name: string, value: number])[];
}

export interface Struct {
  readonly name: string;
  readonly fields: readonly Field[];
}

/** One kind of frame: a message of the definition, or the reply to one. */
export interface FrameKind extends Struct {
  readonly opcode: number;
  readonly from: 'host' | 'agent';
  /** The name of the request this is the reply to. */
  readonly replyTo?: string;
  readonly request: boolean;
}

export const replyBit = 0x8000;

function parseType(text: string): FieldType {
  const item = /^list<(.+)>$/.exec(text)?.[1];
  if (item !== undefined) return { kind: 'list', item: parseType(item) };
  if (text === 'string' || text === 'bytes' || text === 'rest') return { kind: text };
  if (Object.hasOwn(primitiveSizes, text)) return { kind: 'primitive', name: text as Primitive };
  if (Object.hasOwn(enums, text)) return { kind: 'enum', name: text };
  if (Object.hasOwn(structs, text)) return { kind: 'struct', name: text };
  throw new Error(`definition.ts: unknown type ${text}`);
}

function parseFields(owner: string, fields: Fields): Field[] {
  const parsed = Object.entries(fields).map(([name, type]) => ({ name, type: parseType(type) }));
  parsed.forEach((field, index) => {
    if (field.type.kind === 'rest' && index !== parsed.length - 1) {
      throw new Error(
        `definition.ts: ${owner}.${field.name} takes the rest of the frame and is not the last field`,
      );
    }
  });
  return parsed;
}

/** In the order of the definition; a struct stands before those that contain it. */
export const allStructs: readonly Struct[] = Object.entries(structs).map(([name, fields]) => ({
  name,
  fields: parseFields(name, fields),
}));

export const allEnums: readonly Enum[] = Object.entries(enums).map(([name, values]) => ({
  name,
  values: Object.entries(values),
}));

export const allFrames: readonly FrameKind[] = Object.entries<Message>(messages).flatMap(
  ([name, message]) => {
    const frame: FrameKind = {
      name,
      opcode: message.opcode,
      from: message.from,
      request: message.kind === 'request',
      fields: parseFields(name, message.fields),
    };
    if (message.kind !== 'request') return [frame];
    const replyName = `${name}Reply`;
    const reply: FrameKind = {
      name: replyName,
      opcode: message.opcode | replyBit,
      from: message.from === 'host' ? 'agent' : 'host',
      request: false,
      replyTo: name,
      fields: parseFields(replyName, message.reply ?? {}),
    };
    return [frame, reply];
  },
);

/** The fewest bytes a value can have on the wire: bounds how many items a list can hold. */
export function smallestSize(type: FieldType): number {
  switch (type.kind) {
    case 'primitive':
      return primitiveSizes[type.name];
    case 'enum':
      return 1;
    case 'string':
    case 'bytes':
    case 'list':
      return 4;
    case 'rest':
      return 0;
    case 'struct': {
      const struct = allStructs.find((candidate) => candidate.name === type.name);
      if (struct === undefined) throw new Error(`definition.ts: unknown struct ${type.name}`);
      return struct.fields.reduce((sum, field) => sum + smallestSize(field.type), 0);
    }
  }
}

/** What must hold for any definition; the emitters rely on it. */
export function checkDefinition(): void {
  const opcodes = new Map<number, string>();
  for (const frame of allFrames) {
    const other = opcodes.get(frame.opcode);
    if (other !== undefined)
      throw new Error(`definition.ts: ${frame.name} and ${other} have the same opcode`);
    opcodes.set(frame.opcode, frame.name);
  }
  for (const { name, values } of allEnums) {
    const numbers = new Set(values.map(([, value]) => value));
    if (numbers.size !== values.length)
      throw new Error(`definition.ts: two values of ${name} have one number`);
    if (values.some(([, value]) => value < 0 || value > 255))
      throw new Error(`definition.ts: ${name} is not a u8`);
  }
  const known = new Set<string>();
  for (const struct of allStructs) {
    for (const { name, type } of struct.fields) {
      const inner = type.kind === 'list' ? type.item : type;
      if (inner.kind === 'struct' && !known.has(inner.name)) {
        throw new Error(
          `definition.ts: ${struct.name}.${name} uses ${inner.name}, which must stand before it`,
        );
      }
      if (inner.kind === 'list' || inner.kind === 'rest') {
        throw new Error(
          `definition.ts: ${struct.name}.${name} cannot be a list of lists or the rest of a frame`,
        );
      }
    }
    known.add(struct.name);
  }
}
