import type { EngineObserver } from './ports/observer.ts';

/** Times `work` and reports it as a span, also when it throws. */
export async function traced<T>(
  observer: EngineObserver,
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
