/**
 * Docker's multiplexed stream: frames `[stream, 0, 0, 0, length as a 32 bit big endian]` and then `length` bytes.
 * Stream 1 is stdout, 2 stderr, 3 the daemon's own word that the stream broke.
 */
import { EngineError } from '../errors/engine-error.ts';

export interface OutputPiece {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

const headerBytes = 8;
const maxErrorBytes = 64 * 1024;

/** Cuts chunks into pieces. A frame's bytes are handed on as they come: a frame of any length needs no memory. */
export class FrameDecoder {
  #header = Buffer.alloc(0);
  #stream = 0;
  #left = 0;
  #systemError = '';

  *decode(chunk: Buffer): Generator<OutputPiece, void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        rest = this.#readHeader(rest);
        continue;
      }
      const data = rest.subarray(0, this.#left);
      rest = rest.subarray(data.length);
      this.#left -= data.length;
      if (this.#stream === 3) this.#readSystemError(data);
      else yield { stream: this.#stream === 2 ? 'stderr' : 'stdout', data };
    }
  }

  /** Throws when the stream ended inside a frame. */
  end(): void {
    if (this.#left > 0 || this.#header.length > 0) {
      throw new EngineError('unavailable', 'the stream from the daemon ended in the middle of a frame');
    }
  }

  #readHeader(chunk: Buffer): Buffer {
    const missing = headerBytes - this.#header.length;
    this.#header = Buffer.concat([this.#header, chunk.subarray(0, missing)]);
    if (this.#header.length < headerBytes) return chunk.subarray(chunk.length);
    this.#stream = this.#header.readUInt8(0);
    this.#left = this.#header.readUInt32BE(4);
    if (this.#stream > 3) {
      throw new EngineError('internal', `the daemon sent a frame of the unknown stream ${this.#stream}`);
    }
    this.#header = Buffer.alloc(0);
    return chunk.subarray(missing);
  }

  #readSystemError(data: Buffer): void {
    this.#systemError += data.toString().slice(0, maxErrorBytes - this.#systemError.length);
    if (this.#left === 0)
      throw new EngineError('internal', `error from the daemon in the stream: ${this.#systemError}`);
  }
}
