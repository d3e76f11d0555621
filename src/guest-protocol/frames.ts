/**
 * Frames and the sync block, as bytes. Nothing here knows a socket: a reader is pushed chunks and yields frames.
 *
 * The reader's input is hostile. It holds at most one frame and never believes a length before checking it.
 */
import { EngineError } from '../errors/engine-error.ts';
import { ByteWriter, protocolError } from './bytes.ts';
import { encodeAgentMessage, encodeHostMessage, limits, opcodes, syncMagic } from './generated.ts';
import type { AgentMessage, HostMessage } from './generated.ts';

const headerSize = 16;
const trailerSize = 4;
const syncSize = 32;

export type Side = 'host' | 'agent';

export interface Sync {
  /** Random, with four non-zero bytes: `newSession` makes one. */
  readonly session: number;
  readonly generation: number;
  readonly nonce: bigint;
}

export interface Frame {
  readonly opcode: number;
  readonly id: number;
  /** A view into what was pushed where possible: copy what outlives the next push. */
  readonly payload: Buffer;
}

/** A session number from random bytes: no byte of it is zero, so that no run of zeros can be its trailer. */
export function sessionFrom(random: Uint8Array): number {
  if (random.length < 4) throw new EngineError('internal', 'a session number needs four random bytes');
  return Buffer.from(random.subarray(0, 4).map((byte) => byte % 255 || 255)).readUInt32LE();
}

/** `afterBreak`: the other side may be waiting for the rest of a frame; zeros fill it up first. */
export function encodeSync(from: Side, sync: Sync, afterBreak: boolean): Buffer {
  const zeros = afterBreak ? limits.SYNC_ZEROS : 0;
  const block = Buffer.alloc(zeros + syncSize);
  block.write(syncMagic[from], zeros, 'latin1');
  block.writeUInt32LE(sync.session, zeros + 16);
  block.writeUInt32LE(sync.generation, zeros + 20);
  block.writeBigUInt64LE(sync.nonce, zeros + 24);
  return block;
}

function encodeFrame(session: number, opcode: number, id: number, write: (w: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(headerSize, headerSize + limits.MAX_PAYLOAD + trailerSize);
  write(writer);
  const length = writer.length - headerSize;
  if (length > limits.MAX_PAYLOAD) {
    throw new EngineError(
      'invalid_argument',
      `message to the guest is longer than ${limits.MAX_PAYLOAD} bytes`,
    );
  }
  writer.u32(session);
  const frame = writer.finish();
  frame.writeUInt32LE(length, 0);
  frame.writeUInt32LE(session, 4);
  frame.writeUInt16LE(opcode, 8);
  frame.writeUInt32LE(id, 12);
  return frame;
}

export function encodeHostFrame(session: number, id: number, message: HostMessage): Buffer {
  return encodeFrame(session, opcodes[message.type], id, (w) => encodeHostMessage(w, message));
}

export function encodeAgentFrame(session: number, id: number, message: AgentMessage): Buffer {
  return encodeFrame(session, opcodes[message.type], id, (w) => encodeAgentMessage(w, message));
}

/** Looks for one side's sync block in a stream of anything. */
export class SyncHunter {
  readonly #magic: Buffer;
  readonly #accept: (sync: Sync) => boolean;
  /** The last bytes seen: fewer than a sync block. */
  #tail: Buffer = Buffer.alloc(0);

  /** `from`: whose block to look for. A block that `accept` refuses (a wrong nonce) is passed over. */
  constructor(from: Side, accept: (sync: Sync) => boolean) {
    this.#magic = Buffer.from(syncMagic[from], 'latin1');
    this.#accept = accept;
  }

  /** Undefined: not yet. Else the block, and what came behind it. */
  push(chunk: Uint8Array): { readonly sync: Sync; readonly rest: Buffer } | undefined {
    const bytes = this.#tail.length === 0 ? view(chunk) : Buffer.concat([this.#tail, chunk]);
    let from = 0;
    for (;;) {
      const at = bytes.indexOf(this.#magic, from);
      if (at < 0) {
        this.#tail = Buffer.from(bytes.subarray(Math.max(from, bytes.length - (this.#magic.length - 1))));
        return undefined;
      }
      if (bytes.length - at < syncSize) {
        this.#tail = Buffer.from(bytes.subarray(at));
        return undefined;
      }
      const sync = {
        session: bytes.readUInt32LE(at + 16),
        generation: bytes.readUInt32LE(at + 20),
        nonce: bytes.readBigUInt64LE(at + 24),
      };
      if (this.#accept(sync)) {
        this.#tail = Buffer.alloc(0);
        return { sync, rest: bytes.subarray(at + syncSize) };
      }
      from = at + 1;
    }
  }
}

/** Cuts a stream into frames, from behind the sync block on. Whatever does not fit throws: the channel is lost then. */
export class FrameReader {
  readonly #session: number;
  /** An incomplete header, or an incomplete frame in a buffer of exactly its size. */
  #partial: Buffer = Buffer.alloc(headerSize);
  #filled = 0;

  constructor(session: number) {
    this.#session = session;
  }

  *push(chunk: Uint8Array): Generator<Frame, void, undefined> {
    let bytes = view(chunk);
    while (bytes.length > 0) {
      if (this.#filled === 0 && bytes.length >= headerSize) {
        const size = this.#frameSize(bytes);
        if (bytes.length >= size) {
          yield this.#frame(bytes.subarray(0, size));
          bytes = bytes.subarray(size);
          continue;
        }
      }
      const taken = Math.min(bytes.length, this.#partial.length - this.#filled);
      bytes.copy(this.#partial, this.#filled, 0, taken);
      this.#filled += taken;
      bytes = bytes.subarray(taken);
      if (this.#filled < this.#partial.length) continue;
      const size = this.#frameSize(this.#partial);
      if (this.#partial.length < size) {
        const whole = Buffer.allocUnsafe(size);
        this.#partial.copy(whole);
        this.#partial = whole;
        continue;
      }
      const whole = this.#partial;
      this.#partial = Buffer.alloc(headerSize);
      this.#filled = 0;
      yield this.#frame(whole);
    }
  }

  #frameSize(header: Buffer): number {
    const length = header.readUInt32LE(0);
    if (header.readUInt32LE(4) !== this.#session) throw protocolError('a frame of another session');
    if (header.readUInt16LE(10) !== 0) throw protocolError('a frame whose reserved field is not zero');
    if (length > limits.MAX_PAYLOAD) throw protocolError(`a frame of ${length} bytes`);
    return headerSize + length + trailerSize;
  }

  #frame(whole: Buffer): Frame {
    const end = whole.length - trailerSize;
    if (whole.readUInt32LE(end) !== this.#session) throw protocolError('a frame whose end does not match');
    return {
      opcode: whole.readUInt16LE(8),
      id: whole.readUInt32LE(12),
      payload: whole.subarray(headerSize, end),
    };
  }
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
