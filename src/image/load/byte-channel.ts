/** Hands bytes from a synchronous producer to an asynchronous reader; the producer waits between its pieces with `taken`. */
export class ByteChannel implements AsyncIterable<Buffer> {
  #chunks: Buffer[] = [];
  #ended = false;
  #abandoned = false;
  #wake: (() => void) | undefined;
  #taken: (() => void) | undefined;

  push(chunk: Buffer): void {
    if (this.#abandoned) return;
    this.#chunks.push(chunk);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Resolves when the reader has taken everything, or reads no more. */
  async taken(): Promise<void> {
    if (this.#abandoned || this.#chunks.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#taken = () => resolve(undefined);
    await promise;
  }

  /** Nobody reads any more: what is pushed from now on is dropped. */
  abandon(): void {
    this.#abandoned = true;
    this.#chunks = [];
    this.#taken?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const chunks = this.#chunks;
      this.#chunks = [];
      for (const chunk of chunks) yield chunk;
      if (this.#chunks.length > 0) continue;
      this.#taken?.();
      if (this.#ended) return;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#wake = () => resolve(undefined);
      await promise;
      this.#wake = undefined;
    }
  }
}
