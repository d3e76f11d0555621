/** Holds the small pieces of content that are written behind their inodes at the end, in a few large buffers. */
const slabBytes = 1024 * 1024;

export class TailArena {
  readonly #budgetBytes: number;
  readonly #slabs: Buffer[] = [];
  #used = slabBytes;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
  }

  /** Whether a piece of this size (at most a block) still fits into the memory that may be used. */
  hasRoom(bytes: number): boolean {
    return this.#used + bytes <= slabBytes || (this.#slabs.length + 1) * slabBytes <= this.#budgetBytes;
  }

  /** Zeroed room; returns its address. */
  reserve(bytes: number): number {
    if (this.#used + bytes > slabBytes) {
      this.#slabs.push(Buffer.alloc(slabBytes));
      this.#used = 0;
    }
    const address = (this.#slabs.length - 1) * slabBytes + this.#used;
    this.#used += bytes;
    return address;
  }

  fill(address: number, chunk: Buffer, from: number, to: number): void {
    const slab = this.#slabs[Math.floor(address / slabBytes)];
    if (slab !== undefined) chunk.copy(slab, address % slabBytes, from, to);
  }

  copyTo(address: number, bytes: number, out: Buffer, at: number): void {
    const start = address % slabBytes;
    this.#slabs[Math.floor(address / slabBytes)]?.copy(out, at, start, start + bytes);
  }
}
