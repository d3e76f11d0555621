import { randomInt } from 'node:crypto';

/**
 * Handles for containers and processes: unique in a sandbox's life, which may see several daemons. Each begins at a random
 * place, and leaves out what the guest still has from before.
 */
export class Handles {
  readonly #known: ReadonlySet<number>;
  #next = randomInt(1, 2 ** 31);

  constructor(known: Iterable<number> = []) {
    this.#known = new Set(known);
  }

  next(): number {
    do this.#next = (this.#next % 0xffff_ffff) + 1;
    while (this.#known.has(this.#next));
    return this.#next;
  }
}
