/** What the runtime tells about itself while it works: spans for `--trace`, and what went wrong out of anybody's sight. */
export interface RuntimeObserver {
  /** One step that has ended. `subject` is the sandbox's (or pool machine's) id; times are of `performance.now()`. */
  span(subject: string, name: string, startMs: number, durationMs: number): void;
  /** Something failed that nobody waits for (a refill of the pool, a clean-up). */
  warn(message: string, cause: unknown): void;
}

/** Times `work` and reports it as a span, also when it throws. */
export async function traced<T>(
  observer: RuntimeObserver,
  subject: string,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  try {
    return await work();
  } finally {
    observer.span(subject, name, startMs, performance.now() - startMs);
  }
}
