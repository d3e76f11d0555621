/** State, logs and disks in memory; they outlive the daemon, as the real ones do. */
import { EngineError } from '../../errors/engine-error.ts';
import type { LogEntry } from '../model/log.ts';
import type { ContainerRecord, PodRecord } from '../model/record.ts';
import type { DiskStore } from '../ports/disk-store.ts';
import type { ContainerLog, LogPosition, LogStore, OutputStream } from '../ports/log-store.ts';
import type { LogOptions } from '../model/container.ts';
import type { StateChange, StateStore } from '../ports/state-store.ts';

/** What is on the disk, from one daemon to the next. */
export class FakeWorld {
  readonly pods = new Map<string, PodRecord>();
  readonly containers = new Map<string, ContainerRecord>();
  readonly disks = new Set<string>();
  readonly logs = new Map<string, FakeLog>();
  /** Owners of images' layers. */
  readonly holders = new Set<string>();
}

/** One life of the daemon. When it is over, nothing that is still asked in its name happens, or is ever answered. */
export class Life {
  dead = false;

  async do(act: () => void): Promise<void> {
    if (this.dead) await new Promise(() => undefined);
    act();
  }
}

export class FakeStateStore implements StateStore {
  readonly #world: FakeWorld;
  readonly #life: Life;
  commits = 0;
  /** From this commit on the disk is full. */
  failsFrom = Infinity;
  #diesAt = Infinity;
  #onDeath: () => void = () => undefined;

  constructor(world: FakeWorld, life: Life) {
    this.#world = world;
    this.#life = life;
  }

  /** The daemon dies at the commit that comes as the `count`th from now. */
  diesAt(count: number, onDeath: () => void): void {
    this.#diesAt = this.commits + count;
    this.#onDeath = onDeath;
  }

  load(): { readonly pods: readonly PodRecord[]; readonly containers: readonly ContainerRecord[] } {
    const containers = [...this.#world.containers.values()].sort((a, b) => a.sequence - b.sequence);
    return { pods: [...this.#world.pods.values()], containers };
  }

  commit(change: StateChange): void {
    this.commits++;
    if (this.commits === this.#diesAt) this.#onDeath();
    if (this.#life.dead) throw new EngineError('internal', 'this daemon is dead');
    if (this.commits >= this.failsFrom)
      throw new EngineError('resource_exhausted', 'the disk of the state is full');
    for (const pod of change.pods ?? []) this.#world.pods.set(pod.id, pod);
    for (const container of change.containers ?? []) this.#world.containers.set(container.id, container);
    for (const id of change.removedContainers ?? []) this.#world.containers.delete(id);
    for (const id of change.removedPods ?? []) this.#world.pods.delete(id);
  }
}

export class FakeDiskStore implements DiskStore {
  readonly #disks: Set<string>;
  readonly #life: Life;
  failing = false;

  constructor(world: FakeWorld, life: Life) {
    this.#disks = world.disks;
    this.#life = life;
  }

  async ensure(containerId: string): Promise<string> {
    if (this.failing) throw new EngineError('resource_exhausted', 'the disk is full');
    await this.#life.do(() => this.#disks.add(containerId));
    return `/disks/${containerId}`;
  }

  checkSize(sizeBytes: number): void {
    if (sizeBytes < 1) throw new EngineError('invalid_argument', 'too small');
  }

  usage(containerId: string): Promise<number> {
    return Promise.resolve(this.#disks.has(containerId) ? 4096 : 0);
  }

  remove(containerId: string): Promise<void> {
    return this.#life.do(() => this.#disks.delete(containerId));
  }

  removeStrays(known: ReadonlySet<string>): Promise<void> {
    return this.#life.do(() => {
      for (const id of this.#disks) if (!known.has(id)) this.#disks.delete(id);
    });
  }
}

export class FakeLog implements ContainerLog {
  readonly chunks: { stream: OutputStream; data: Buffer }[] = [];
  readonly #ends = { stdout: 0n, stderr: 0n };

  text(stream?: OutputStream): string {
    const chosen = this.chunks.filter((chunk) => stream === undefined || chunk.stream === stream);
    return Buffer.concat(chosen.map(({ data }) => data)).toString();
  }

  end(stream: OutputStream): bigint {
    return this.#ends[stream];
  }

  beginRun(): void {
    this.#ends.stdout = 0n;
    this.#ends.stderr = 0n;
  }

  endRun(): Promise<void> {
    return Promise.resolve();
  }

  resumeRun(): void {
    return;
  }

  append(stream: OutputStream, offset: bigint, chunk: Buffer): Promise<void> {
    if (offset !== this.#ends[stream])
      throw new Error(`${stream}: expected ${this.#ends[stream]}, got ${offset}`);
    this.#ends[stream] += BigInt(chunk.length);
    this.chunks.push({ stream, data: chunk });
    return Promise.resolve();
  }

  position(): LogPosition {
    return { file: 0, offset: this.chunks.length };
  }

  async *readLines(): AsyncGenerator<readonly LogEntry[]> {
    await Promise.resolve();
    yield this.chunks.map(({ stream, data }) => ({ stream, data, time: new Date(0), timeNs: 0n }));
  }

  async *readChunks(until: LogPosition): AsyncGenerator<{ stream: OutputStream; data: Buffer }> {
    for (const chunk of this.chunks.slice(0, until.offset)) {
      await Promise.resolve();
      yield chunk;
    }
  }
}

export class FakeLogStore implements LogStore {
  readonly #logs: Map<string, FakeLog>;
  readonly #life: Life;

  constructor(world: FakeWorld, life: Life) {
    this.#logs = world.logs;
    this.#life = life;
  }

  pathOf(containerId: string): string {
    return `/logs/${containerId}`;
  }

  open(containerId: string, options: LogOptions): FakeLog | undefined {
    if (options.driver === 'none') return undefined;
    const log = this.#logs.get(containerId) ?? new FakeLog();
    this.#logs.set(containerId, log);
    return log;
  }

  remove(containerId: string): Promise<void> {
    return this.#life.do(() => this.#logs.delete(containerId));
  }

  removeStrays(known: ReadonlySet<string>): Promise<void> {
    return this.#life.do(() => {
      for (const id of this.#logs.keys()) if (!known.has(id)) this.#logs.delete(id);
    });
  }
}
