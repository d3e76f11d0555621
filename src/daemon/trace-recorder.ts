/** Keeps the steps of each container's last start, for `/dvm/v1/containers/{id}/trace`. In memory only. */
import type { ContainerTrace } from '../api/dvm/schemas.ts';

interface Span {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

const keptSubjects = 256;
const keptSpans = 64;
/** Steps that lie further apart than this belong to different starts. */
const gapMs = 1000;

export class TraceRecorder {
  /** In the order in which they were last heard of. */
  readonly #subjects = new Map<string, Span[]>();

  /** Times are of `performance.now()`. */
  record(subject: string, name: string, startMs: number, durationMs: number): void {
    const spans = this.#subjects.get(subject) ?? [];
    const lastEndMs = spans.reduce((latest, span) => Math.max(latest, span.endMs), 0);
    if (spans.length >= keptSpans || startMs > lastEndMs + gapMs) spans.length = 0;
    spans.push({ name, startMs, endMs: startMs + durationMs });
    this.#subjects.delete(subject);
    this.#subjects.set(subject, spans);
    const [oldest] = this.#subjects.keys();
    if (this.#subjects.size > keptSubjects && oldest !== undefined) this.#subjects.delete(oldest);
  }

  traceOf(subject: string): ContainerTrace {
    const spans = (this.#subjects.get(subject) ?? []).toSorted((a, b) => a.startMs - b.startMs);
    const origin = spans[0]?.startMs ?? 0;
    return {
      spans: spans.map(({ name, startMs, endMs }) => ({
        name,
        startMs: startMs - origin,
        durationMs: endMs - startMs,
      })),
    };
  }
}
