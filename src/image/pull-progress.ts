/** A layer's progress in Docker's words, and not more often than people can read. */
import type { ImageProgress } from '../engine/ports/images.ts';
import { shortDigest, type Digest } from '../oci/digest.ts';

const intervalMs = 100;

export class LayerProgress {
  readonly #id: string;
  readonly #total: number;
  readonly #report: (progress: ImageProgress) => void;
  #lastMs = 0;

  constructor(digest: Digest, total: number, report: (progress: ImageProgress) => void) {
    this.#id = shortDigest(digest);
    this.#total = total;
    this.#report = report;
  }

  status(status: string): void {
    this.#report({ id: this.#id, status });
  }

  downloading(current: number): void {
    const now = performance.now();
    if (now - this.#lastMs < intervalMs && current < this.#total) return;
    this.#lastMs = now;
    this.#report({ id: this.#id, status: 'Downloading', current, total: this.#total });
    if (current === this.#total) this.status('Verifying Checksum');
  }

  /** The digest is right; what is left to write is short. */
  verified(): void {
    this.status('Download complete');
    this.#report({ id: this.#id, status: 'Extracting', current: this.#total, total: this.#total });
  }
}
