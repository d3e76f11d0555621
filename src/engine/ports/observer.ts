/** What the engine tells about itself while it works: spans for traces, and what went wrong out of anybody's sight. */
export interface EngineObserver {
  /** One step that has ended. `subject` is the container's id; times are of `performance.now()`. */
  span(subject: string, name: string, startMs: number, durationMs: number): void;
  /** Something failed that nobody waits for (a clean-up, a log that cannot be written). */
  warn(message: string, cause: unknown): void;
}
