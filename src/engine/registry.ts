/** All containers and pods, found by name and id, and the one place where their facts change. */
import { EngineError } from '../errors/engine-error.ts';
import type { ContainerRecord, PodRecord } from './model/record.ts';
import type { LogStore } from './ports/log-store.ts';
import type { EngineObserver } from './ports/observer.ts';
import type { StateChange, StateStore } from './ports/state-store.ts';
import { Container } from './container.ts';

type ContainerFacts = Omit<ContainerRecord, 'id' | 'podId' | 'sequence'>;

/** Undefined in a change takes an optional fact away. */
export type Change<T> = { readonly [K in keyof T]?: T[K] | undefined };

export class Registry {
  readonly #state: StateStore;
  readonly #logs: LogStore;
  readonly #observer: EngineObserver;
  readonly #containers = new Map<string, Container>();
  readonly #names = new Map<string, string>();
  readonly #pods = new Map<string, PodRecord>();
  #sequence = 0;

  constructor(state: StateStore, logs: LogStore, observer: EngineObserver) {
    this.#state = state;
    this.#logs = logs;
    this.#observer = observer;
    const { pods, containers } = state.load();
    for (const pod of pods) this.#pods.set(pod.id, pod);
    for (const record of containers) this.#keep(record);
  }

  /** In order of creation. */
  all(): readonly Container[] {
    return [...this.#containers.values()];
  }

  pods(): readonly PodRecord[] {
    return [...this.#pods.values()];
  }

  has(id: string): boolean {
    return this.#containers.has(id);
  }

  isNameTaken(name: string): boolean {
    return this.#names.has(name);
  }

  /** By full id, name (with or without slash) or unambiguous id prefix, in this order; throws `not_found`. */
  get(nameOrId: string): Container {
    const name = nameOrId.startsWith('/') ? nameOrId.slice(1) : nameOrId;
    const found =
      this.#containers.get(name) ?? this.#containers.get(this.#names.get(name) ?? '') ?? this.#byPrefix(name);
    if (found === undefined) throw new EngineError('not_found', `No such container: ${nameOrId}`);
    return found;
  }

  podOf(container: Container): PodRecord {
    const pod = this.#pods.get(container.record.podId);
    if (pod === undefined) throw new EngineError('internal', `container ${container.id} has no pod`);
    return pod;
  }

  nextSequence(): number {
    return ++this.#sequence;
  }

  /** Throws `already_exists` in Docker's words. */
  checkNameFree(name: string): void {
    const owner = this.#names.get(name);
    if (owner === undefined) return;
    throw new EngineError(
      'already_exists',
      `Conflict. The container name "/${name}" is already in use by container "${owner}". ` +
        'You have to remove (or rename) that container to be able to reuse that name.',
    );
  }

  add(pod: PodRecord, record: ContainerRecord): Container {
    this.checkNameFree(record.spec.name);
    this.#state.commit({ pods: [pod], containers: [record] });
    this.#pods.set(pod.id, pod);
    return this.#keep(record);
  }

  /**
   * Stores an intent: what is new of a container, and of its pod, in one transaction; then it holds in memory too.
   * Throws, and nothing has changed, when it cannot be stored.
   */
  commit(container: Container, change: Change<ContainerFacts>, podChange: Change<PodRecord> = {}): void {
    const record = merge(container.record, change);
    const pod = merge(this.podOf(container), podChange);
    this.#state.commit({ containers: [record], pods: [pod] });
    this.#apply(container, record, pod);
  }

  /** Stores what has happened already: it holds in memory even when the disk is full, and the observer is told. */
  record(container: Container, change: Change<ContainerFacts>, podChange: Change<PodRecord> = {}): void {
    const record = merge(container.record, change);
    const pod = merge(this.podOf(container), podChange);
    this.#apply(container, record, pod);
    this.#storeFact(container.id, { containers: [record], pods: [pod] });
  }

  recordPod(id: string, change: Change<PodRecord>): void {
    const pod = this.#pods.get(id);
    if (pod === undefined) return;
    const changed = merge(pod, change);
    this.#pods.set(id, changed);
    this.#storeFact(id, { pods: [changed] });
  }

  /** A pod that has no container. */
  removePod(id: string): void {
    this.#pods.delete(id);
    this.#storeFact(id, { removedPods: [id] });
  }

  /** Forgets the container, and its pod with it when it was the last one there. */
  remove(container: Container): void {
    const { podId } = container.record;
    const others = this.all().some((other) => other !== container && other.record.podId === podId);
    this.#containers.delete(container.id);
    this.#names.delete(container.name);
    if (!others) this.#pods.delete(podId);
    this.#storeFact(container.id, {
      removedContainers: [container.id],
      removedPods: others ? [] : [podId],
    });
  }

  #apply(container: Container, record: ContainerRecord, pod: PodRecord): void {
    if (record.spec.name !== container.name) {
      this.#names.delete(container.name);
      this.#names.set(record.spec.name, container.id);
    }
    container.record = record;
    this.#pods.set(pod.id, pod);
  }

  #storeFact(id: string, change: StateChange): void {
    try {
      this.#state.commit(change);
    } catch (error) {
      this.#observer.warn(`cannot store what happened to ${id}`, error);
    }
  }

  #keep(record: ContainerRecord): Container {
    const container = new Container(record, this.#logs);
    this.#containers.set(record.id, container);
    this.#names.set(record.spec.name, record.id);
    this.#sequence = Math.max(this.#sequence, record.sequence);
    return container;
  }

  #byPrefix(prefix: string): Container | undefined {
    if (!/^[0-9a-f]+$/.test(prefix)) return undefined;
    const matching = this.all().filter((container) => container.id.startsWith(prefix));
    if (matching.length > 1)
      throw new EngineError('invalid_argument', `Multiple IDs found with provided prefix: ${prefix}`);
    return matching[0];
  }
}

function merge<T extends object>(record: T, change: Change<NoInfer<T>>): T {
  const merged = Object.entries({ ...record, ...change }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(merged) as T;
}
