/**
 * A host without machines: sandboxes and processes are objects here, and outlive the daemon that made them. What a
 * process does is a function of the test's.
 */
import type { Json } from '../model/json.ts';
import type { ContainerStartSpec, OutputSink, ProcessExit, ProcessSpec } from '../ports/pod-runtime.ts';

export type FakeEnd = ProcessExit | { readonly lost: string };
/** `args[0]` chooses it. What it returns is its exit code; what it throws as a StartError is told before it starts. */
export type Program = (process: FakeProcess) => number | Promise<number>;

interface Stream {
  bytes: Buffer;
  /** What the daemon has taken: after a restart it is sent again from where the daemon asks. */
  delivered: number;
}

export class FakeProcess {
  static #pids = 100;
  readonly pid = ++FakeProcess.#pids;
  readonly handle: number;
  readonly spec: ProcessSpec;
  readonly exited = Promise.withResolvers<FakeEnd>();
  readonly drained = Promise.withResolvers<undefined>();
  readonly signals: number[] = [];
  readonly input: Buffer[] = [];
  inputClosed = false;
  end: FakeEnd | undefined;
  released = false;
  size: { rows: number; cols: number } | undefined;
  /** A child keeps the streams open after the end. */
  keepsStreamsOpen = false;
  frozen = false;
  #sink: OutputSink | undefined;
  readonly #streams: Record<'stdout' | 'stderr', Stream> = {
    stdout: { bytes: Buffer.alloc(0), delivered: 0 },
    stderr: { bytes: Buffer.alloc(0), delivered: 0 },
  };
  #pumping: Promise<void> | undefined;
  #wakers: (() => void)[] = [];

  constructor(handle: number, spec: ProcessSpec, sink: OutputSink) {
    this.handle = handle;
    this.spec = spec;
    this.#sink = sink;
  }

  /** A daemon that comes back. */
  resume(sink: OutputSink, stdoutOffset: bigint, stderrOffset: bigint): void {
    this.#streams.stdout.delivered = Number(stdoutOffset);
    this.#streams.stderr.delivered = Number(stderrOffset);
    this.#sink = sink;
    void this.#pump();
  }

  /** The daemon is gone: output stays here. */
  disconnect(): void {
    this.#sink = undefined;
  }

  /** Resolves when the daemon has taken it; at once when there is none. */
  print(text: string | Buffer, stream: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    const to = this.#streams[stream];
    to.bytes = Buffer.concat([to.bytes, Buffer.from(text)]);
    return this.#pump();
  }

  /** Resolves with the next signal. */
  async nextSignal(): Promise<number> {
    const seen = this.signals.length;
    await this.until(() => this.signals.length > seen);
    return this.signals[seen] ?? 0;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wakers.push(resolve));
  }

  changed(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }

  exit(end: FakeEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.exited.resolve(end);
    this.changed();
    void this.#pump();
  }

  /** One chunk after the other, each when the one before was taken; the first sink that was lost ends it. */
  #pump(): Promise<void> {
    this.#pumping ??= this.#deliver().finally(() => (this.#pumping = undefined));
    return this.#pumping;
  }

  async #deliver(): Promise<void> {
    for (const name of ['stdout', 'stderr', 'stdout'] as const) {
      const stream = this.#streams[name];
      while (this.#sink !== undefined && stream.delivered < stream.bytes.length) {
        const chunk = stream.bytes.subarray(stream.delivered, stream.delivered + 32_768);
        await this.#sink.write(name, BigInt(stream.delivered), Buffer.from(chunk));
        stream.delivered += chunk.length;
      }
    }
    const lost = this.end !== undefined && 'lost' in this.end;
    const done = this.end !== undefined && !this.keepsStreamsOpen && this.#sink !== undefined;
    if (done || lost) this.drained.resolve(undefined);
  }
}

export class FakeContainer {
  readonly spec: ContainerStartSpec;
  readonly processes = new Map<number, FakeProcess>();
  frozen = false;
  removed = false;
  resources: unknown;

  constructor(spec: ContainerStartSpec) {
    this.spec = spec;
  }

  get main(): FakeProcess {
    const main = this.processes.get(1);
    if (main === undefined) throw new Error('the container has no process');
    return main;
  }

  killAll(): void {
    for (const process of this.processes.values())
      process.exit({ exitCode: 137, signal: 9, oomKilled: false, exitedAt: new Date() });
  }
}

export class FakeSandbox {
  readonly id: string;
  readonly containers = new Map<string, FakeContainer>();

  constructor(id: string) {
    this.id = id;
  }

  kill(why: string): void {
    for (const container of this.containers.values())
      for (const process of container.processes.values()) process.exit({ lost: why });
  }
}

export class FakeHost {
  readonly programs = new Map<string, Program>();
  readonly sandboxes = new Map<string, FakeSandbox>();

  /** The daemon dies: nobody reads any more, everything else goes on. */
  disconnect(): void {
    for (const process of this.processes()) process.disconnect();
  }

  processes(): FakeProcess[] {
    return [...this.sandboxes.values()].flatMap((sandbox) =>
      [...sandbox.containers.values()].flatMap((container) => [...container.processes.values()]),
    );
  }

  /** The machine dies, as when the host's kernel kills it for want of memory. */
  loseSandboxes(why: string): void {
    for (const [id, sandbox] of this.sandboxes) {
      this.sandboxes.delete(id);
      sandbox.kill(why);
    }
  }

  container(id: string): FakeContainer {
    for (const sandbox of this.sandboxes.values()) {
      const container = sandbox.containers.get(id);
      if (container !== undefined) return container;
    }
    throw new Error(`no container ${id} runs here`);
  }
}

export function fieldOf(record: Json, key: string): string | number {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) throw new Error('not a record');
  const value = record[key];
  if (typeof value !== 'string' && typeof value !== 'number') throw new Error(`the record has no ${key}`);
  return value;
}
