/** State, logs and disks in memory; they outlive the daemon, as the real ones do. */
import { EngineError } from '../../errors/engine-error.ts';
import type { LogEntry, LogQuery } from '../model/log.ts';
import type { ContainerRecord, PodRecord } from '../model/record.ts';
import type { DiskStore } from '../ports/disk-store.ts';
import type { ContainerLog, LogPosition, LogStore, OutputStream } from '../ports/log-store.ts';
import type { LogOptions } from '../model/container.ts';
import type { StateChange, StateStore } from '../ports/state-store.ts';

export class FakeStateStore implements StateStore {
  readonly pods = new Map<string, PodRecord>();
  readonly containers = new Map<string, ContainerRecord>();
  commits = 0;
  /** Dies at this commit and every later one: as if the daemon did. */
  diesAtCommit = Infinity;

  load(): { readonly pods: readonly PodRecord[]; readonly containers: readonly ContainerRecord[] } {
    const containers = [...this.containers.values()].sort((a, b) => a.sequence - b.sequence);
    return { pods: [...this.pods.values()], containers };
  }

  commit(change: StateChange): void {
    if (++this.commits >= this.diesAtCommit)
      throw new EngineError('resource_exhausted', 'the disk of the state is full');
    for (const pod of change.pods ?? []) this.pods.set(pod.id, pod);
    for (const container of change.containers ?? []) this.containers.set(container.id, container);
    for (const id of change.removedContainers ?? []) this.containers.delete(id);
    for (const id of change.removedPods ?? []) this.pods.delete(id);
  }
}

export class FakeDiskStore implements DiskStore {
  readonly disks = new Set<string>();
  failing = false;

  ensure(containerId: string): Promise<string> {
    if (this.failing) return Promise.reject(new EngineError('resource_exhausted', 'the disk is full'));
    this.disks.add(containerId);
    return Promise.resolve(`/disks/${containerId}`);
  }

  checkSize(sizeBytes: number): void {
    if (sizeBytes < 1) throw new EngineError('invalid_argument', 'too small');
  }

  usage(containerId: string): Promise<number> {
    return Promise.resolve(this.disks.has(containerId) ? 4096 : 0);
  }

  remove(containerId: string): Promise<void> {
    this.disks.delete(containerId);
    return Promise.resolve();
  }

  removeStrays(known: ReadonlySet<string>): Promise<void> {
    for (const id of this.disks) if (!known.has(id)) this.disks.delete(id);
    return Promise.resolve();
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

  async *readLines(_query: LogQuery): AsyncGenerator<readonly LogEntry[]> {
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
  readonly logs = new Map<string, FakeLog>();

  pathOf(containerId: string): string {
    return `/logs/${containerId}`;
  }

  open(containerId: string, options: LogOptions): FakeLog | undefined {
    if (options.driver === 'none') return undefined;
    const log = this.logs.get(containerId) ?? new FakeLog();
    this.logs.set(containerId, log);
    return log;
  }

  remove(containerId: string): Promise<void> {
    this.logs.delete(containerId);
    return Promise.resolve();
  }

  removeStrays(known: ReadonlySet<string>): Promise<void> {
    for (const id of this.logs.keys()) if (!known.has(id)) this.logs.delete(id);
    return Promise.resolve();
  }
}
