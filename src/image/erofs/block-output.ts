/**
 * The file that an image is written to: appended in large pieces, by the thread pool, while the caller goes on.
 * Appending is synchronous and cheap; `drained` is where the caller waits for the disk.
 */
import type { FileHandle } from 'node:fs/promises';
import type { EngineError } from '../../errors/engine-error.ts';
import { writeFailure } from '../write-failure.ts';
import { blockBytes } from './format.ts';

const pieceBytes = 1024 * 1024;
const piecesInFlight = 4;

export class BlockOutput {
  readonly #file: FileHandle;
  readonly #what: string;
  #piece: Buffer = Buffer.allocUnsafeSlow(pieceBytes);
  #used = 0;
  /** Where the piece begins in the file. */
  #start = 0;
  readonly #spare: Buffer[] = [];
  readonly #writes = new Set<Promise<void>>();
  #failure: EngineError | undefined;

  constructor(file: FileHandle, what: string) {
    this.#file = file;
    this.#what = what;
  }

  get position(): number {
    return this.#start + this.#used;
  }

  append(chunk: Buffer, from = 0, to = chunk.length): void {
    let at = from;
    while (at < to) {
      const copied = chunk.copy(this.#piece, this.#used, at, to);
      this.#used += copied;
      at += copied;
      if (this.#used === pieceBytes) this.#flush();
    }
  }

  /** Zeroed room for `count` bytes (at most a block) within the piece, to be filled in place. */
  reserve(count: number): { buffer: Buffer; at: number } {
    if (pieceBytes - this.#used < count) this.#flush();
    const at = this.#used;
    this.#piece.fill(0, at, at + count);
    this.#used += count;
    return { buffer: this.#piece, at };
  }

  /** Long runs of zeros become holes of the file. */
  zeros(count: number): void {
    if (this.#used + count <= pieceBytes) {
      this.#piece.fill(0, this.#used, this.#used + count);
      this.#used += count;
      if (this.#used === pieceBytes) this.#flush();
      return;
    }
    this.#flush();
    this.#start += count;
  }

  alignToBlock(): void {
    const over = this.position % blockBytes;
    if (over !== 0) this.zeros(blockBytes - over);
  }

  /** Resolves when few enough writes are under way; throws when one has failed. */
  async drained(): Promise<void> {
    while (this.#writes.size >= piecesInFlight) await Promise.race(this.#writes);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes everything, gives the file its length, and flushes it to the disk. */
  async finish(): Promise<void> {
    const length = this.position;
    await this.settle();
    await this.#file.truncate(length);
  }

  /** Waits for every write. Must be called before the file is closed, also after a failure. */
  async settle(): Promise<void> {
    if (this.#failure === undefined) this.#flush();
    while (this.#writes.size > 0) await Promise.all(this.#writes);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** For what was left out at the beginning: the superblock. */
  async writeAt(buffer: Buffer, position: number): Promise<void> {
    await this.#write(buffer, buffer.length, position);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #flush(): void {
    if (this.#used === 0) return;
    const piece = this.#piece;
    const write = this.#write(piece, this.#used, this.#start).then(() => {
      this.#writes.delete(write);
      this.#spare.push(piece);
    });
    this.#writes.add(write);
    this.#start += this.#used;
    this.#used = 0;
    this.#piece = this.#spare.pop() ?? Buffer.allocUnsafeSlow(pieceBytes);
  }

  /** Never rejects: a failure is kept for `drained`. */
  async #write(buffer: Buffer, length: number, position: number): Promise<void> {
    try {
      let done = 0;
      while (done < length) {
        const { bytesWritten } = await this.#file.write(buffer, done, length - done, position + done);
        done += bytesWritten;
      }
    } catch (error) {
      this.#failure ??= writeFailure(this.#what, error);
    }
  }
}
