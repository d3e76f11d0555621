/**
 * Reads and writes the primitive fields of messages. The reader's input comes from a guest: every length is checked
 * against what is really there before anything is allocated or sliced.
 */
import { EngineError } from '../errors/engine-error.ts';

/** What came over the channel is not a message of this generation. The channel cannot be trusted any further. */
export function protocolError(what: string): EngineError {
  return new EngineError('unavailable', `guest channel: ${what}; the guest's agent is broken or hostile`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class ByteReader {
  readonly #bytes: Buffer;
  readonly #message: string;
  #position = 0;

  constructor(bytes: Uint8Array, message: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#message = message;
  }

  #take(length: number): number {
    const start = this.#position;
    if (length > this.#bytes.length - start) {
      throw protocolError(`${this.#message} ends ${length - (this.#bytes.length - start)} bytes too early`);
    }
    this.#position = start + length;
    return start;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }
  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }
  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }
  i32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }
  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }
  i64(): bigint {
    return this.#bytes.readBigInt64LE(this.#take(8));
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw protocolError(`${this.#message} has ${value} where a truth value belongs`);
    return value === 1;
  }

  /** One of an enumeration's names, by its number. */
  name<T extends string>(names: ReadonlyMap<number, T>): T {
    const value = this.u8();
    const name = names.get(value);
    if (name === undefined) throw protocolError(`${this.#message} has the unknown value ${value}`);
    return name;
  }

  string(): string {
    const bytes = this.bytes();
    if (bytes.includes(0)) throw protocolError(`${this.#message} has a NUL byte in a string`);
    try {
      return utf8.decode(bytes);
    } catch (cause) {
      throw protocolError(`${this.#message} has a string that is not UTF-8 (${String(cause)})`);
    }
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    const length = this.u32();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  list<T>(smallestItem: number, item: (reader: ByteReader) => T): T[] {
    const count = this.u32();
    if (count > (this.#bytes.length - this.#position) / smallestItem) {
      throw protocolError(`${this.#message} announces ${count} items and has no room for them`);
    }
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item(this));
    return items;
  }

  /** Everything that is left, a view. */
  rest(most: number): Buffer {
    const length = this.#bytes.length - this.#position;
    if (length > most) throw protocolError(`${this.#message} carries ${length} bytes, more than ${most}`);
    const start = this.#take(length);
    return this.#bytes.subarray(start);
  }

  end(): void {
    const left = this.#bytes.length - this.#position;
    if (left > 0) throw protocolError(`${this.#message} has ${left} bytes too many`);
  }
}

/** Appends to a buffer that grows up to `most` bytes. */
export class ByteWriter {
  #bytes: Buffer;
  #length: number;
  readonly #most: number;

  /** The first `reserved` bytes are left for the caller to fill in. */
  constructor(reserved: number, most: number, expected = 240) {
    this.#bytes = Buffer.allocUnsafe(reserved + expected);
    this.#bytes.fill(0, 0, reserved);
    this.#length = reserved;
    this.#most = most;
  }

  get length(): number {
    return this.#length;
  }

  #grow(length: number): number {
    const start = this.#length;
    const needed = start + length;
    if (needed > this.#most) {
      throw new EngineError(
        'invalid_argument',
        `message to the guest is longer than ${this.#most} bytes: shorten arguments, environment or injected files`,
      );
    }
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#most, Math.max(needed, this.#bytes.length * 2)));
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
    }
    this.#length = needed;
    return start;
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#bytes.writeUInt8(value, at);
  }
  u16(value: number): void {
    const at = this.#grow(2);
    this.#bytes.writeUInt16LE(value, at);
  }
  u32(value: number): void {
    const at = this.#grow(4);
    this.#bytes.writeUInt32LE(value, at);
  }
  i32(value: number): void {
    const at = this.#grow(4);
    this.#bytes.writeInt32LE(value, at);
  }
  u64(value: bigint): void {
    const at = this.#grow(8);
    this.#bytes.writeBigUInt64LE(value, at);
  }
  i64(value: bigint): void {
    const at = this.#grow(8);
    this.#bytes.writeBigInt64LE(value, at);
  }
  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  string(value: string): void {
    if (value.includes('\0')) {
      throw new EngineError('invalid_argument', `"${value.replaceAll('\0', '\\0')}" contains a NUL byte`);
    }
    const length = Buffer.byteLength(value);
    this.u32(length);
    const at = this.#grow(length);
    this.#bytes.write(value, at, 'utf8');
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.rest(value, this.#most);
  }

  list<T>(items: readonly T[], write: (writer: ByteWriter, item: T) => void): void {
    this.u32(items.length);
    for (const item of items) write(this, item);
  }

  rest(value: Uint8Array, most: number): void {
    if (value.length > most) {
      throw new EngineError('internal', `a data frame of ${value.length} bytes is larger than ${most}`);
    }
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }

  /** The buffer so far, not copied: the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
