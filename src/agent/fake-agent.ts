/**
 * A whole agent in memory that speaks the real protocol: the test double for everything above the guest channel. It can
 * be disconnected anywhere, also half-way through a frame, and keeps its processes as the real one does.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { messageOf } from '../errors/engine-error.ts';
import { replyTypes } from '../guest-protocol/generated.ts';
import type {
  AgentMessage,
  Container,
  ErrorCode,
  HostMessage,
  Process,
  ReplyMessage,
  RequestMessage,
  RequestType,
} from '../guest-protocol/generated.ts';
import { FakeAgentChannel } from './fake-agent-channel.ts';
import type { Cut } from './fake-agent-channel.ts';
import { FakeProcess } from './fake-process.ts';
import type { FakeProcessLink, FakeProgram } from './fake-process.ts';
import { fakeContainerStats, fakeSandboxStats } from './fake-statistics.ts';
import { fakePrograms } from './fake-programs.ts';

export interface FakeAgentOptions {
  readonly programs?: Readonly<Record<string, FakeProgram>>;
  /** Whether a disk with this serial is plugged in, now or after a wait; all of them by default. */
  readonly disk?: (serial: string) => Promise<boolean>;
  readonly memoryBytes?: number;
}

/** What `personalise` gave it: what tests compare. */
export interface FakeIdentity {
  readonly entropy: string;
  readonly machineId: string;
  readonly mac: string;
  readonly bootId: string;
  readonly clockErrorMs: number;
}

class Refusal extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

interface FakeContainer {
  readonly spec: Container;
  frozen: boolean;
}

export class FakeAgent {
  readonly #options: FakeAgentOptions;
  readonly #programs: Readonly<Record<string, FakeProgram>>;
  readonly #containers = new Map<number, FakeContainer>();
  readonly #processes = new Map<number, FakeProcess>();
  /** Requests that get no answer, for tests of deadlines. */
  readonly mute = new Set<RequestType>();
  readonly released: string[] = [];
  /** What the host did that the protocol does not allow. */
  readonly violations: string[] = [];
  identity: FakeIdentity | undefined;
  hostname = '(none)';
  prepared = false;
  clockErrorMs = 0;
  clockSettings = 0;
  readonly #channel = new FakeAgentChannel({
    greet: () => this.#greet(),
    receive: (id, message) => this.#handle(id, message),
    pump: () => this.#pumpAll(),
  });
  #nextPid = 100;

  constructor(options: FakeAgentOptions = {}) {
    this.#options = options;
    this.#programs = options.programs ?? fakePrograms;
  }

  /** As a template's memory is copied: prepared, not personalised, nothing running. */
  clone(options: FakeAgentOptions): FakeAgent {
    const clone = new FakeAgent({ ...this.#options, ...options });
    clone.prepared = this.prepared;
    return clone;
  }

  get containers(): readonly Container[] {
    return [...this.#containers.values()].map(({ spec }) => spec);
  }

  get processCount(): number {
    return this.#processes.size;
  }

  /** The host's end of a new connection; the one before it is cut. */
  connect(cut: Cut = {}): Duplex {
    return this.#channel.connect(cut);
  }

  disconnect(): void {
    this.#channel.disconnect();
  }

  /** Bytes a broken or hostile agent would send. */
  sendRaw(bytes: Uint8Array): void {
    this.#channel.push(Buffer.from(bytes));
  }

  sendMessage(id: number, message: AgentMessage): void {
    this.#channel.send(id, message);
  }

  #greet(): void {
    for (const process of this.#processes.values()) process.holdOutput();
    this.#channel.send(0, this.#hello());
    for (const process of this.#processes.values()) process.grantStdin();
  }

  #hello(): AgentMessage {
    return {
      type: 'hello',
      agentVersion: 'fake',
      kernelRelease: '0.0-fake',
      personalised: this.identity !== undefined,
      memoryTotal: BigInt(this.#options.memoryBytes ?? 512 << 20),
      memoryAvailable: BigInt(this.#options.memoryBytes ?? 512 << 20),
      vcpus: 1,
      containers: [...this.#containers.values()].map(({ spec, frozen }) => ({
        container: spec.container,
        id: spec.id,
        frozen,
      })),
      processes: [...this.#processes.values()].map((process) => process.status()),
    };
  }

  #pumpAll(): void {
    for (const process of this.#processes.values()) process.pump();
  }

  #handle(id: number, message: HostMessage): void {
    try {
      this.#handleMessage(id, message);
    } catch (error) {
      this.violations.push(messageOf(error));
    }
  }

  #handleMessage(id: number, message: HostMessage): void {
    switch (message.type) {
      case 'stdin':
        this.#process(id).receiveStdin(message.offset, message.bytes);
        return;
      case 'stdinClose':
        this.#process(id).closeStdin();
        return;
      case 'window':
        if (message.stream !== 'stdin')
          this.#process(id).receiveWindow(message.stream, message.acked, message.limit);
        return;
      case 'streamResume':
        if (message.stream !== 'stdin')
          this.#process(id).resumeOutput(message.stream, message.offset, message.limit);
        return;
      default:
        void this.#answer(id, message);
    }
  }

  async #answer(id: number, message: RequestMessage): Promise<void> {
    try {
      const reply = await this.#reply(message);
      if (!this.mute.has(message.type)) this.#channel.send(id, reply);
      if (message.type === 'releaseProcess') this.#processes.delete(message.process);
    } catch (error) {
      const code = error instanceof Refusal ? error.code : 'internal';
      this.#channel.send(id, {
        type: 'error',
        code,
        errno: 0,
        message: messageOf(error),
      });
    }
  }

  async #reply(message: RequestMessage): Promise<ReplyMessage> {
    switch (message.type) {
      case 'ping':
        return { type: 'pingReply', wallClockNs: BigInt(Date.now() + this.clockErrorMs) * 1_000_000n };
      case 'setClock':
        this.clockSettings++;
        this.clockErrorMs = Number(message.wallClockNs / 1_000_000n) - Date.now();
        break;
      case 'prepareTemplate':
        this.prepared = true;
        break;
      case 'personalise':
        return this.#personalise(message);
      case 'setHostname':
        this.hostname = message.hostname;
        break;
      case 'releaseDisk':
        this.#releaseDisk(message.serial);
        break;
      case 'sandboxStats':
        return fakeSandboxStats(this.#options.memoryBytes ?? 512 << 20);
      case 'startContainer':
        return { type: 'startContainerReply', pid: await this.#startContainer(message.container) };
      case 'exec':
        if (this.#container(message.container).frozen)
          throw new Refusal('notRunning', 'the container is frozen');
        return { type: 'execReply', pid: this.#start(message.container, message.process) };
      case 'signal':
        this.#signal(message);
        break;
      case 'resize':
        this.#process(message.process).resize(message.rows, message.cols);
        break;
      case 'freeze':
        this.#freeze(message.container, message.frozen);
        break;
      case 'updateResources':
        this.#container(message.container);
        break;
      case 'deleteContainer':
        await this.#deleteContainer(message.container);
        break;
      case 'containerStats':
        return this.#stats(message.container);
      case 'top':
        return { type: 'topReply', processes: this.#top(message.container) };
      case 'releaseProcess':
        this.#process(message.process);
        break;
      case 'shutdown':
        break;
    }
    return { type: replyTypes[message.type] };
  }

  #personalise(message: RequestMessage & { type: 'personalise' }): ReplyMessage {
    if (this.identity !== undefined) throw new Refusal('exists', 'personalised already');
    if (message.entropy.length < 32) throw new Refusal('invalid', 'too little entropy');
    const bootId = randomBytes(16).toString('hex');
    this.identity = {
      entropy: Buffer.from(message.entropy).toString('hex'),
      machineId: message.machineId,
      mac: Buffer.from(message.mac).toString('hex'),
      bootId,
      clockErrorMs: Math.abs(Date.now() - Number(message.wallClockNs / 1_000_000n)),
    };
    this.hostname = message.hostname;
    return { type: 'personaliseReply', bootId };
  }

  async #startContainer(spec: Container): Promise<number> {
    if (this.identity === undefined) throw new Refusal('invalid', 'not personalised');
    if (this.#containers.has(spec.container))
      throw new Refusal('exists', `container ${spec.container} exists`);
    const serials = [...spec.layers.map((layer) => layer.serial), ...(spec.upper === '' ? [] : [spec.upper])];
    for (const serial of serials) {
      if ((await this.#options.disk?.(serial)) === false)
        throw new Refusal('diskNotFound', `no disk ${serial}`);
    }
    this.#containers.set(spec.container, { spec, frozen: false });
    try {
      return this.#start(spec.container, spec.process);
    } catch (error) {
      this.#containers.delete(spec.container);
      throw error;
    }
  }

  #start(container: number, spec: Process): number {
    const { spec: containerSpec } = this.#container(container);
    if (this.#processes.has(spec.process)) throw new Refusal('exists', `process ${spec.process} exists`);
    if (!/^($|root|\d+)(:\d+)?$/.test(spec.user)) throw new Refusal('userNotFound', `no user "${spec.user}"`);
    const command = spec.args[0] ?? '';
    const program = this.#programs[command.replace(/^\/bin\//, '')];
    if (command === '/etc/passwd') throw new Refusal('commandNotExecutable', `${command}: permission denied`);
    if (program === undefined) throw new Refusal('commandNotFound', `"${command}": not found in PATH`);
    const link: FakeProcessLink = {
      send: (process, message) => !this.#channel.blocked && this.#channel.send(process, message),
      hostname: () => (containerSpec.hostname === '' ? this.hostname : containerSpec.hostname),
    };
    const process = new FakeProcess(spec, container, this.#nextPid++, link);
    this.#processes.set(spec.process, process);
    setImmediate(() => process.start(program));
    if (spec.process === containerSpec.process.process)
      void process.ended.then(() => this.#killRest(container));
    return process.pid;
  }

  /** As the kernel does when the first process of a process namespace ends. */
  #killRest(container: number): void {
    for (const process of this.#processesOf(container)) if (!process.exited) process.signal(9);
  }

  #signal({ container, process, signal, all }: RequestMessage & { type: 'signal' }): void {
    const targets = all ? this.#processesOf(container) : [this.#process(process)];
    for (const target of targets) {
      if (!all && target.exited) throw new Refusal('notRunning', 'the process has ended');
      target.signal(signal);
    }
  }

  #freeze(container: number, frozen: boolean): void {
    this.#container(container).frozen = frozen;
    for (const process of this.#processesOf(container)) {
      process.frozen = frozen;
      process.wake();
    }
  }

  async #deleteContainer(container: number): Promise<void> {
    for (const process of this.#processesOf(container)) {
      if (!process.exited) process.signal(9);
      await process.ended;
    }
    this.#containers.delete(container);
  }

  #releaseDisk(serial: string): void {
    for (const { spec } of this.#containers.values()) {
      if (spec.upper === serial || spec.layers.some((layer) => layer.serial === serial)) {
        throw new Refusal('invalid', `disk ${serial} is mounted`);
      }
    }
    this.released.push(serial);
  }

  #stats(container: number): ReplyMessage {
    this.#container(container);
    return fakeContainerStats(this.#processesOf(container).filter((process) => !process.exited).length);
  }

  #top(container: number): (ReplyMessage & { type: 'topReply' })['processes'] {
    return this.#processesOf(container)
      .filter((process) => !process.exited)
      .map((process) => ({
        pid: process.pid,
        ppid: 0,
        uid: 0,
        user: 'root',
        state: 'S',
        startedAtNs: BigInt(Date.now()) * 1_000_000n,
        cpuNs: 0n,
        rssBytes: 4096n,
        tty: '?',
        command: process.spec.args.join(' '),
      }));
  }

  #processesOf(container: number): FakeProcess[] {
    return [...this.#processes.values()].filter((process) => process.container === container);
  }

  #process(handle: number): FakeProcess {
    const process = this.#processes.get(handle);
    if (process === undefined) throw new Refusal('notFound', `no process ${handle}`);
    return process;
  }

  #container(handle: number): FakeContainer {
    const container = this.#containers.get(handle);
    if (container === undefined) throw new Refusal('notFound', `no container ${handle}`);
    return container;
  }
}
