/** The latest sample of each container that is looked at. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerStatsResponse, EventMessage } from '../../client/api-types.ts';
import type { DaemonClient } from '../../client/daemon-client.ts';
import type { StatsSample } from '../output/stats-rows.ts';

export class StatsWatch implements AsyncDisposable {
  readonly #client: DaemonClient;
  readonly #stream: boolean;
  readonly #samples = new Map<string, ContainerStatsResponse | undefined>();
  readonly #aborted = new AbortController();
  #followsEvents = false;
  #failure: unknown;

  constructor(client: DaemonClient, stream: boolean) {
    this.#client = client;
    this.#stream = stream;
  }

  /** Resolves when each has its first sample. Throws for a container that is not there. */
  async addAll(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#add(name)));
  }

  /** As `addAll`, and what starts later is looked at as well. */
  async followEvents(names: readonly string[], all: boolean): Promise<void> {
    this.#followsEvents = true;
    const actions = all ? ['create', 'start', 'destroy'] : ['start', 'die', 'destroy'];
    const filters = JSON.stringify({ type: ['container'], event: actions });
    const events = this.#client.jsonLines<EventMessage>('GET', '/events', {
      query: { filters },
      signal: this.#aborted.signal,
    });
    this.#handle(events).catch((error: unknown) => this.#fail(error));
    await this.addAll(names);
  }

  samples(): readonly StatsSample[] {
    return [...this.#samples].map(([name, stats]) => ({ name, stats }));
  }

  /** What there is to show, again and again, while there is something. Throws what broke the watch. */
  async *frames(everyMs: number): AsyncGenerator<readonly StatsSample[], void> {
    for (;;) {
      yield this.samples();
      await delay(everyMs);
      if (this.#failure !== undefined) throw this.#failure as Error;
      if (this.#samples.size === 0 && !this.#followsEvents) return;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#aborted.abort();
    return Promise.resolve();
  }

  async #handle(events: AsyncIterable<EventMessage>): Promise<void> {
    for await (const { Action, Actor } of events) {
      if (Action === 'die' || Action === 'destroy') this.#samples.delete(Actor.ID);
      else if (!this.#samples.has(Actor.ID)) this.#add(Actor.ID).catch((error: unknown) => this.#fail(error));
    }
  }

  #fail(error: unknown): void {
    if (!this.#aborted.signal.aborted) this.#failure = error;
  }

  async #add(name: string): Promise<void> {
    const path = `/containers/${encodeURIComponent(name)}/stats`;
    const query = { stream: this.#stream };
    const samples = this.#client.jsonLines<ContainerStatsResponse>('GET', path, {
      query,
      signal: this.#aborted.signal,
    });
    const first = await samples.next();
    this.#samples.set(name, first.value ?? undefined);
    if (this.#stream) this.#follow(name, samples).catch((error: unknown) => this.#fail(error));
  }

  async #follow(name: string, samples: AsyncIterable<ContainerStatsResponse>): Promise<void> {
    for await (const sample of samples) this.#samples.set(name, sample);
    this.#samples.delete(name);
  }
}
