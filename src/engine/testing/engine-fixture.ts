/** An engine over fakes that can be killed and started again, and containers for it. */
import type { EngineObserver } from '../ports/observer.ts';
import type { PodLock } from '../ports/pod-lock.ts';
import type { ContainerSpec, EngineEvent, ExecSpec } from '../model/container.ts';
import type { AttachStreams } from '../service.ts';
import { ContainerEngine } from '../engine.ts';
import { FakeHost } from './fake-host.ts';
import type { FakeProcess } from './fake-host.ts';
import { FakeImages, fakeImage } from './fake-images.ts';
import { FakePodRuntime } from './fake-pod-runtime.ts';
import { FakeDiskStore, FakeLogStore, FakeStateStore, FakeWorld, Life } from './fake-stores.ts';

export const never = new AbortController().signal;

export function specOf(change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    name: '',
    imageReference: 'busybox',
    imageId: fakeImage.id,
    entrypoint: [],
    cmd: ['true'],
    env: [],
    workingDir: '',
    user: '',
    additionalGroups: [],
    hostname: '',
    domainname: '',
    tty: false,
    openStdin: false,
    stdinOnce: false,
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    labels: {},
    stopSignal: 'SIGTERM',
    restartPolicy: { name: 'no' },
    autoRemove: false,
    readonlyRootfs: false,
    init: false,
    privileged: false,
    capAdd: [],
    capDrop: [],
    noNewPrivileges: false,
    mounts: [],
    rlimits: [],
    sysctls: {},
    shmSizeBytes: 64 << 20,
    oomScoreAdj: 0,
    resources: {},
    networkMode: 'default',
    log: { driver: 'json-file' },
    echo: {},
    ...change,
  };
}

export function execOf(change: Partial<ExecSpec> = {}): ExecSpec {
  return {
    args: ['true'],
    env: [],
    workingDir: '',
    user: '',
    tty: false,
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    privileged: false,
    ...change,
  };
}

/** A lock with a queue: the engine's port wants no more. */
class FakeLock implements PodLock {
  readonly #tails = new Map<string, Promise<undefined>>();

  async acquire(key: string): Promise<Disposable> {
    const before = this.#tails.get(key);
    const released = Promise.withResolvers<undefined>();
    this.#tails.set(key, released.promise);
    await before;
    return { [Symbol.dispose]: () => released.resolve(undefined) };
  }
}

/** Programs every test may run; `serve` ends with SIGTERM, `stubborn` only with SIGKILL. */
function addPrograms(host: FakeHost): void {
  host.programs.set('true', () => 0);
  host.programs.set('false', () => 1);
  host.programs.set('echo', async (process) => {
    await process.print(`${process.spec.args.slice(1).join(' ')}\n`);
    return 0;
  });
  host.programs.set('serve', async (process) => {
    while ((await process.nextSignal()) !== 15) continue;
    return 143;
  });
  host.programs.set('stubborn', async (process) => {
    await process.until(() => process.end !== undefined);
    return 0;
  });
  host.programs.set('cat', async (process) => {
    for (;;) {
      await process.until(() => process.input.length > 0 || process.inputClosed || process.end !== undefined);
      const chunk = process.input.shift();
      if (chunk === undefined) return 0;
      await process.print(chunk);
    }
  });
}

export class EngineFixture {
  readonly host = new FakeHost();
  readonly world = new FakeWorld();
  readonly warnings: string[] = [];
  readonly spans: string[] = [];
  #life = new Life();
  state = new FakeStateStore(this.world, this.#life);
  disks = new FakeDiskStore(this.world, this.#life);
  images = new FakeImages(this.world, this.#life);
  runtime = new FakePodRuntime(this.host, this.#life);
  engine = this.#newEngine();

  constructor() {
    addPrograms(this.host);
  }

  /** kill -9, then a new daemon on what is left. */
  async restartDaemon(): Promise<void> {
    this.killDaemon();
    await this.startDaemon();
  }

  killDaemon(): void {
    this.#life.dead = true;
    this.host.disconnect();
    void this.engine.close(); // only so that its timers and watchers do not outlive it: it can do nothing any more
  }

  async startDaemon(): Promise<void> {
    this.#life = new Life();
    this.state = new FakeStateStore(this.world, this.#life);
    this.disks = new FakeDiskStore(this.world, this.#life);
    this.images = new FakeImages(this.world, this.#life);
    this.runtime = new FakePodRuntime(this.host, this.#life);
    this.engine = this.#newEngine();
    await this.engine.reconcile(never);
  }

  async run(change: Partial<ContainerSpec> = {}): Promise<string> {
    const { id } = await this.engine.create(specOf(change));
    await this.engine.start(id, never);
    return id;
  }

  /** The first process of a container that runs. */
  process(id: string): FakeProcess {
    return this.host.container(id).main;
  }

  log(id: string): string {
    return this.world.logs.get(id)?.text() ?? '';
  }

  /** What is there of anything but containers' facts. */
  leftovers(): { sandboxes: number; disks: number; logs: number; holders: number } {
    return {
      sandboxes: this.host.sandboxes.size,
      disks: this.world.disks.size,
      logs: this.world.logs.size,
      holders: this.world.holders.size,
    };
  }

  /** Collects events until `stop` is called. */
  record(): { readonly events: EngineEvent[]; stop(): void } {
    const giveUp = new AbortController();
    const events: EngineEvent[] = [];
    void (async () => {
      for await (const event of this.engine.events({ filters: {} }, giveUp.signal)) events.push(event);
    })();
    return { events, stop: () => giveUp.abort() };
  }

  #newEngine(): ContainerEngine {
    const observer: EngineObserver = {
      span: (_subject, name) => this.spans.push(name),
      warn: (message) => this.warnings.push(message),
    };
    return new ContainerEngine(
      {
        runtime: this.runtime,
        images: this.images,
        state: this.state,
        logs: new FakeLogStore(this.world, this.#life),
        disks: this.disks,
        lock: new FakeLock(),
        observer,
      },
      { id: 'test', dataDirectory: '/data', resolvConf: () => '', warnings: () => [] },
    );
  }
}

/** A client that takes everything at once. */
export function collector(): { readonly streams: AttachStreams; text(): string } {
  const chunks: Buffer[] = [];
  return {
    streams: { write: (_stream, chunk) => void chunks.push(Buffer.from(chunk)) },
    text: () => Buffer.concat(chunks).toString(),
  };
}
