/** Bytes that wait for a slow reader. Small pieces are gathered, so that a guest cannot make the queue cost more than its bytes. */

const smallBytes = 4 << 10;
const blockBytes = 32 << 10;

interface Entry {
  readonly bytes: Buffer;
  used: number;
  /** Made here, so there may be room behind `used`. */
  readonly own: boolean;
}

export class ChunkQueue {
  #entries: Entry[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#entries.length;
  }

  /** Large chunks are kept as the views they are; small ones are copied together. */
  push(chunk: Buffer): void {
    if (chunk.length >= smallBytes) {
      this.#entries.push({ bytes: chunk, used: chunk.length, own: false });
      return;
    }
    let tail = this.isEmpty ? undefined : this.#entries.at(-1);
    if (tail?.own !== true || tail.bytes.length - tail.used < chunk.length) {
      tail = { bytes: Buffer.allocUnsafeSlow(blockBytes), used: 0, own: true };
      this.#entries.push(tail);
    }
    chunk.copy(tail.bytes, tail.used);
    tail.used += chunk.length;
  }

  shift(): Buffer | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head++;
    if (this.isEmpty) this.clear();
    return entry.bytes.subarray(0, entry.used);
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
  }
}
