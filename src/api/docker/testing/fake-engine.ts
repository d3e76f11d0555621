/** An engine whose containers are processes of the host: for the tests of the API only. */
import { randomBytes } from 'node:crypto';
import { EngineError } from '../../../errors/engine-error.ts';
import { StartError } from '../../../errors/start-error.ts';
import type { AttachOptions, Attachment, AttachStreams, Engine, LogEntry } from '../../../engine/service.ts';
import type {
  ContainerExit,
  ContainerSpec,
  ContainerView,
  EngineEvent,
  ExecSpec,
  ExecView,
} from '../../../engine/model/container.ts';
import { FakeProcess } from './fake-process.ts';

interface FakeContainer {
  readonly id: string;
  spec: ContainerSpec;
  readonly createdAt: Date;
  status: ContainerView['status'];
  startedAt?: Date;
  exit?: ContainerExit;
  process?: FakeProcess;
  readonly waiting: { readonly sinks: NonNullable<AttachStreams['write']>[]; stdin?: () => void }[];
  readonly ended: PromiseWithResolvers<ContainerExit>;
  readonly log: LogEntry[];
}

interface FakeExec {
  readonly id: string;
  readonly containerId: string;
  readonly spec: ExecSpec;
  exitCode?: number;
  process?: FakeProcess;
}

export class FakeEngine implements Engine {
  readonly #containers = new Map<string, FakeContainer>();
  readonly #execs = new Map<string, FakeExec>();
  readonly #events: EngineEvent[] = [];
  readonly calls: { readonly verb: string; readonly argument: unknown }[] = [];

  create(spec: ContainerSpec): Promise<ContainerView> {
    const id = randomBytes(32).toString('hex');
    const name = spec.name === '' ? `fake_${id.slice(0, 6)}` : spec.name;
    if ([...this.#containers.values()].some((other) => other.spec.name === name))
      return Promise.reject(
        new EngineError('already_exists', `the container name "/${name}" is already in use`),
      );
    const container: FakeContainer = {
      id,
      spec: { ...spec, name },
      createdAt: new Date(),
      status: 'created',
      waiting: [],
      ended: Promise.withResolvers(),
      log: [],
    };
    this.#containers.set(id, container);
    this.#say('create', container);
    return Promise.resolve(this.#view(container));
  }

  start(nameOrId: string): Promise<boolean> {
    const container = this.#find(nameOrId);
    if (container.status === 'running') return Promise.resolve(false);
    const args = [...container.spec.entrypoint, ...container.spec.cmd];
    if (args[0] === 'nosuch') {
      if (container.spec.autoRemove) this.#containers.delete(container.id);
      container.ended.resolve({ exitCode: 127, oomKilled: false, error: 'nosuch', finishedAt: new Date() });
      return Promise.reject(
        new StartError(127, 'invalid_argument', 'cannot start "nosuch": it is not in the image'),
      );
    }
    const record: NonNullable<AttachStreams['write']> = (stream, data) => {
      const timeNs = BigInt(Date.now()) * 1_000_000n + 7n;
      if (container.log.length < 1000) container.log.push({ stream, time: new Date(), timeNs, data });
    };
    const process = new FakeProcess(args, [record, ...container.waiting.flatMap((w) => w.sinks)]);
    container.process = process;
    container.status = 'running';
    container.startedAt = new Date();
    for (const client of container.waiting) client.stdin?.();
    this.#say('start', container);
    void Promise.all([process.exited, process.drained]).then(([exitCode]) => {
      container.status = 'exited';
      container.exit = { exitCode, oomKilled: false, error: '', finishedAt: new Date() };
      this.#say('die', container);
      if (container.spec.autoRemove) this.#containers.delete(container.id);
      container.ended.resolve(container.exit);
    });
    return Promise.resolve(true);
  }

  async stop(nameOrId: string): Promise<boolean> {
    const container = this.#find(nameOrId);
    if (container.process === undefined || container.status !== 'running') return false;
    container.process.child.kill('SIGKILL');
    await container.ended.promise;
    return true;
  }

  async restart(nameOrId: string): Promise<void> {
    await this.stop(nameOrId);
  }

  kill(nameOrId: string, signal: string): Promise<void> {
    const container = this.#find(nameOrId);
    this.calls.push({ verb: 'kill', argument: signal });
    if (container.status !== 'running')
      return Promise.reject(new EngineError('failed_precondition', `container ${nameOrId} is not running`));
    container.process?.child.kill('SIGKILL');
    return Promise.resolve();
  }

  pause(nameOrId: string): Promise<void> {
    this.#find(nameOrId).status = 'paused';
    return Promise.resolve();
  }

  unpause(nameOrId: string): Promise<void> {
    this.#find(nameOrId).status = 'running';
    return Promise.resolve();
  }

  rename(nameOrId: string, newName: string): void {
    const container = this.#find(nameOrId);
    container.spec = { ...container.spec, name: newName };
  }

  update(nameOrId: string, change: unknown): Promise<void> {
    this.#find(nameOrId);
    this.calls.push({ verb: 'update', argument: change });
    return Promise.resolve();
  }

  async remove(nameOrId: string, options: { readonly force: boolean }): Promise<void> {
    const container = this.#find(nameOrId);
    if (container.status === 'running') {
      if (!options.force)
        throw new EngineError('failed_precondition', `container ${nameOrId} is running: stop it or force`);
      await this.stop(nameOrId);
    }
    this.#containers.delete(container.id);
  }

  prune(): ReturnType<Engine['prune']> {
    return Promise.resolve({ ids: [], reclaimedBytes: 0 });
  }

  get(nameOrId: string): ContainerView {
    return this.#view(this.#find(nameOrId));
  }

  list(filter: Parameters<Engine['list']>[0]): readonly ContainerView[] {
    this.calls.push({ verb: 'list', argument: filter });
    return [...this.#containers.values()]
      .filter((container) => filter.all || container.status === 'running')
      .map((container) => this.#view(container));
  }

  size(): ReturnType<Engine['size']> {
    return Promise.resolve({ writableBytes: 5, rootBytes: 4_000_005 });
  }

  wait(nameOrId: string, condition: string): { readonly exit: Promise<ContainerExit> } {
    const container = this.#find(nameOrId);
    if (condition === 'not-running' && container.exit !== undefined)
      return { exit: Promise.resolve(container.exit) };
    return { exit: container.ended.promise };
  }

  attach(nameOrId: string, options: AttachOptions, streams: AttachStreams): Attachment {
    const container = this.#find(nameOrId);
    const done = Promise.withResolvers<undefined>();
    const state = { detached: false };
    const { write, stdin } = streams;
    const sinks = write === undefined || !options.stream ? [] : [write];
    const feed = () => {
      if (stdin !== undefined) void container.process?.feed(stdin, () => state.detached);
    };
    if (container.process === undefined) container.waiting.push({ sinks, stdin: feed });
    else {
      for (const sink of sinks) container.process.add(sink);
      feed();
    }
    void container.ended.promise.then(() => done.resolve(undefined));
    return {
      done: done.promise,
      detach: () => {
        state.detached = true;
        for (const sink of sinks) container.process?.delete(sink);
        done.resolve(undefined);
      },
    };
  }

  resize(nameOrId: string, size: unknown): Promise<void> {
    this.#find(nameOrId);
    this.calls.push({ verb: 'resize', argument: size });
    return Promise.resolve();
  }

  async *logs(nameOrId: string, query: Parameters<Engine['logs']>[1]): AsyncIterable<LogEntry> {
    const container = this.#find(nameOrId);
    this.calls.push({ verb: 'logs', argument: query });
    const wanted = container.log.filter((entry) => query[entry.stream]);
    yield* query.tail === undefined ? wanted : wanted.slice(wanted.length - query.tail);
    if (query.follow) {
      const seen = container.log.length;
      await container.ended.promise;
      yield* container.log.slice(seen);
    }
  }

  async *logBatches(
    nameOrId: string,
    query: Parameters<Engine['logs']>[1],
  ): AsyncIterable<readonly LogEntry[]> {
    for await (const entry of this.logs(nameOrId, query)) yield [entry];
  }

  top(nameOrId: string): ReturnType<Engine['top']> {
    this.#find(nameOrId);
    return Promise.resolve([
      {
        pid: 12,
        ppid: 1,
        uid: 0,
        user: 'root',
        state: 'S',
        startedAt: new Date(Date.now() - 61_000),
        cpuNs: 3_000_000_000n,
        rssBytes: 1_048_576n,
        tty: '',
        command: 'sleep 100',
      },
    ]);
  }

  stats(): ReturnType<Engine['stats']> {
    return Promise.resolve({
      cpuUsageNs: 1_000_000n,
      cpuUserNs: 600_000n,
      cpuSystemNs: 400_000n,
      memoryBytes: 2_000_000n,
      memoryPeakBytes: 3_000_000n,
      memoryMaxBytes: 0n,
      memoryInactiveFileBytes: 500_000n,
      pids: 2n,
      readBytes: 10n,
      writeBytes: 20n,
    });
  }

  execCreate(nameOrId: string, spec: ExecSpec): ExecView {
    const exec: FakeExec = {
      id: randomBytes(32).toString('hex'),
      containerId: this.#find(nameOrId).id,
      spec,
    };
    this.#execs.set(exec.id, exec);
    return this.execInspect(exec.id);
  }

  execStart(execId: string, _options: unknown, streams: AttachStreams): Promise<Attachment> {
    const exec = this.#findExec(execId);
    if (exec.spec.args[0] === 'nosuch') {
      exec.exitCode = 127;
      return Promise.reject(
        new StartError(127, 'invalid_argument', 'cannot run "nosuch": it is not in the image'),
      );
    }
    const process = new FakeProcess(exec.spec.args, streams.write === undefined ? [] : [streams.write]);
    exec.process = process;
    const state = { detached: false };
    if (streams.stdin !== undefined) void process.feed(streams.stdin, () => state.detached);
    else process.child.stdin?.end();
    const ended = Promise.all([process.exited, process.drained]).then(([code]) => {
      exec.exitCode = code;
    });
    const left = Promise.withResolvers<undefined>();
    return Promise.resolve({
      done: Promise.race([ended, left.promise]),
      detach: () => {
        state.detached = true;
        left.resolve(undefined);
      },
    });
  }

  execResize(execId: string, size: unknown): Promise<void> {
    this.#findExec(execId);
    this.calls.push({ verb: 'execResize', argument: size });
    return Promise.resolve();
  }

  execInspect(execId: string): ExecView {
    const { id, containerId, spec, exitCode, process } = this.#findExec(execId);
    return {
      id,
      containerId,
      spec,
      running: process !== undefined && exitCode === undefined,
      ...(exitCode !== undefined && { exitCode }),
      pid: process?.child.pid ?? 0,
    };
  }

  async *events(query: Parameters<Engine['events']>[0], signal: AbortSignal): AsyncIterable<EngineEvent> {
    if (query.since !== undefined) yield* this.#events;
    if (query.until !== undefined || signal.aborted) return;
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }

  /** Ends every process, as no real engine would. */
  killAll(): void {
    for (const { process } of [...this.#containers.values(), ...this.#execs.values()])
      process?.child.kill('SIGKILL');
  }

  imageUser(): undefined {
    return undefined;
  }

  recordImageEvent(action: string, id: string, attributes: Readonly<Record<string, string>>): void {
    this.#events.push({ type: 'image', action, id, attributes, time: new Date() });
  }

  info(): ReturnType<Engine['info']> {
    return {
      id: 'fake',
      containers: { running: 0, paused: 0, stopped: this.#containers.size },
      images: 1,
      runtime: {
        name: 'microvm',
        vmm: 'qemu',
        vmmVersion: '10.0.2',
        accelerator: 'tcg',
        kernelRelease: '6.1.0-dvm',
        kernelKind: 'trimmed',
        kernelPath: '/var/cache/dvm/vmlinux',
        templates: 1,
        pool: { target: 2, ready: 2 },
        defaultMemoryBytes: 2 ** 31,
        defaultVcpus: 2,
      },
      dataDirectory: '/var/lib/dvm',
      warnings: [],
    };
  }

  #say(action: string, { id, spec }: FakeContainer): void {
    const attributes = { name: spec.name, image: spec.imageReference };
    this.#events.push({ type: 'container', action, id, attributes, time: new Date() });
  }

  #find(nameOrId: string): FakeContainer {
    const found = [...this.#containers.values()].find(
      ({ id, spec }) => id.startsWith(nameOrId) || spec.name === nameOrId.replace(/^\//, ''),
    );
    if (found === undefined) throw new EngineError('not_found', `No such container: ${nameOrId}`);
    return found;
  }

  #findExec(execId: string): FakeExec {
    const exec = this.#execs.get(execId);
    if (exec === undefined) throw new EngineError('not_found', `No such exec instance: ${execId}`);
    return exec;
  }

  #view(container: FakeContainer): ContainerView {
    const { id, spec, createdAt, status, startedAt, exit, process } = container;
    return {
      id,
      spec,
      createdAt,
      status,
      pid: status === 'running' ? (process?.child.pid ?? 0) : 0,
      ...(startedAt !== undefined && { startedAt }),
      ...(exit !== undefined && { exit }),
      restartCount: 0,
      execIds: [],
      logPath: `/var/lib/dvm/containers/${id}/log.json`,
    };
  }
}
