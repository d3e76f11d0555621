/**
 * Gives every inode its place. An inode and its inline content must lie within one block, so pieces are put into the
 * fullest of a few open blocks that still takes them.
 */
import { blockBytes, inodeBytes, slotBytes } from './format.ts';

const openMax = 16;

interface OpenBlock {
  readonly start: number;
  used: number;
}

export class MetadataLayout {
  // Inode number 0 is never given away: to readdir it means "no entry".
  readonly #open: OpenBlock[] = [{ start: 0, used: inodeBytes }];
  #end = blockBytes;

  /** Length of the area, whole blocks. */
  get bytes(): number {
    return this.#end;
  }

  /** Place of a piece that must lie within one block (at most `blockBytes`), or of a longer one, which gets blocks of its own. */
  place(bytes: number): number {
    const rounded = Math.ceil(bytes / slotBytes) * slotBytes;
    if (rounded > blockBytes) return this.#placeLong(rounded);
    let best: OpenBlock | undefined;
    for (const block of this.#open) {
      if (blockBytes - block.used >= rounded && (best === undefined || block.used > best.used)) best = block;
    }
    best ??= this.#openBlock();
    const position = best.start + best.used;
    best.used += rounded;
    if (best.used === blockBytes) this.#open.splice(this.#open.indexOf(best), 1);
    return position;
  }

  #placeLong(bytes: number): number {
    const position = this.#end;
    const blocks = Math.ceil(bytes / blockBytes);
    this.#end += blocks * blockBytes;
    const used = bytes - (blocks - 1) * blockBytes;
    if (used < blockBytes) this.#add({ start: this.#end - blockBytes, used });
    return position;
  }

  #openBlock(): OpenBlock {
    const block = { start: this.#end, used: 0 };
    this.#end += blockBytes;
    this.#add(block);
    return block;
  }

  #add(block: OpenBlock): void {
    this.#open.push(block);
    if (this.#open.length <= openMax) return;
    let fullest = 0;
    for (const [i, candidate] of this.#open.entries()) {
      if (candidate !== block && candidate.used > (this.#open[fullest]?.used ?? 0)) fullest = i;
    }
    this.#open.splice(fullest, 1);
  }
}
