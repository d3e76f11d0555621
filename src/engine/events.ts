/** What happens to containers and images, told to whoever listens. The latest events are kept, as Docker does. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineEvent } from './model/container.ts';
import type { Container } from './container.ts';
import { matchesEvent, parseEventFilters } from './event-filter.ts';

const keptEvents = 256;
/** A listener that is so far behind is told to go. */
const listenerLimit = 16_384;

export interface EventQuery {
  readonly since?: Date;
  readonly until?: Date;
  readonly filters: Readonly<Record<string, readonly string[]>>;
}

interface Listener {
  queue: EngineEvent[];
  overflowed: boolean;
  wake(): void;
}

export class EventBus {
  #kept: EngineEvent[] = [];
  readonly #listeners = new Set<Listener>();

  emit(event: EngineEvent): void {
    this.#kept.push(event);
    if (this.#kept.length > keptEvents) this.#kept.shift();
    for (const listener of this.#listeners) {
      if (listener.queue.length >= listenerLimit) listener.overflowed = true;
      else listener.queue.push(event);
      listener.wake();
    }
  }

  container(container: Container, action: string, attributes: Readonly<Record<string, string>> = {}): void {
    const { spec } = container.record;
    this.emit({
      type: 'container',
      action,
      id: container.id,
      attributes: { ...spec.labels, image: spec.imageReference, name: spec.name, ...attributes },
      time: new Date(),
    });
  }

  /** Listens from the call on (not from the first `next`). Ends at `until` or with the signal. */
  subscribe(query: EventQuery, signal: AbortSignal): AsyncIterable<EngineEvent> {
    const filters = parseEventFilters(query.filters);
    const listener: Listener = { queue: this.#past(query), overflowed: false, wake: () => undefined };
    if (query.until === undefined || query.until > new Date()) this.#listeners.add(listener);
    const stop = () => {
      this.#listeners.delete(listener);
      listener.wake();
    };
    signal.addEventListener('abort', stop, { once: true });
    return this.#deliver(listener, query, signal, stop, (event) => matchesEvent(filters, event));
  }

  async *#deliver(
    listener: Listener,
    query: EventQuery,
    signal: AbortSignal,
    stop: () => void,
    matches: (event: EngineEvent) => boolean,
  ): AsyncGenerator<EngineEvent> {
    const untilMs = query.until === undefined ? undefined : query.until.getTime() - Date.now();
    const timer = untilMs === undefined || untilMs <= 0 ? undefined : setTimeout(stop, untilMs);
    try {
      while (!signal.aborted) {
        const batch = listener.queue;
        listener.queue = [];
        for (const event of batch) if (matches(event)) yield event;
        if (listener.overflowed)
          throw new EngineError(
            'resource_exhausted',
            `more than ${listenerLimit} events were not read in time`,
          );
        if (listener.queue.length > 0) continue;
        if (!this.#listeners.has(listener)) return;
        await new Promise<void>((resolve) => (listener.wake = resolve));
      }
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', stop);
    }
  }

  #past(query: EventQuery): EngineEvent[] {
    const { since, until } = query;
    if (since === undefined && until === undefined) return [];
    return this.#kept.filter(
      (event) => (since === undefined || event.time >= since) && (until === undefined || event.time <= until),
    );
  }
}
