/**
 * A user of its own for every VMM, so that one that was broken into can neither signal, trace nor read another.
 *
 * The default range lies in what systemd's "Users, Groups, UIDs and GIDs" leaves unused (1879048192 to 2147352575):
 * above every range /etc/subuid, systemd-nspawn, Docker and Podman hand out, below the kernel's signed limits. No
 * account needs to exist for it, and none may: nothing but VMMs must ever own a number of this range. Two daemons on one
 * host need ranges of their own.
 *
 * What is taken is known from the machines themselves: their records carry the number, `claim` takes it again after a
 * restart.
 */
import { EngineError } from '../../errors/engine-error.ts';

export interface UidRange {
  readonly base: number;
  readonly count: number;
}
export const defaultUidRange: UidRange = { base: 2_000_000_000, count: 65_536 };

export class UidAllocator {
  readonly #range: UidRange;
  readonly #taken = new Set<number>();
  #next = 0;

  constructor(range: UidRange = defaultUidRange) {
    this.#range = range;
  }

  /** A number no live machine has; as long as possible not one that was given back just now. */
  allocate(): number {
    for (let tried = 0; tried < this.#range.count; tried++) {
      const uid = this.#range.base + this.#next;
      this.#next = (this.#next + 1) % this.#range.count;
      if (!this.#taken.has(uid)) {
        this.#taken.add(uid);
        return uid;
      }
    }
    throw new EngineError(
      'resource_exhausted',
      `all ${this.#range.count} user ids for VMMs (from ${this.#range.base}) are in use: remove containers`,
    );
  }

  /** Takes the number of a machine that was there before this daemon. */
  claim(uid: number): void {
    this.#taken.add(uid);
    const index = uid - this.#range.base;
    if (index >= this.#next && index < this.#range.count) this.#next = (index + 1) % this.#range.count;
  }

  release(uid: number): void {
    this.#taken.delete(uid);
  }
}
