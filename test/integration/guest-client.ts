/** The host's end of the guest channel as tests want it: requests, and per process what came of it. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  encodeHostFrame,
  encodeSync,
  FrameReader,
  sessionFrom,
  SyncHunter,
} from '../../src/guest-protocol/frames.ts';
import { decodeAgentMessage, generation } from '../../src/guest-protocol/generated.ts';
import type {
  AgentMessage,
  Container,
  ErrorMessage,
  ExitedMessage,
  HelloMessage,
  HostMessage,
  Process,
  Requests,
  RequestType,
  StdinWindowMessage,
} from '../../src/guest-protocol/generated.ts';

export class GuestError extends Error {
  readonly reply: ErrorMessage;
  constructor(reply: ErrorMessage) {
    super(`${reply.code}: ${reply.message}`);
    this.reply = reply;
  }
}

/** What a process has said so far. */
export class ProcessRecord {
  output = { stdin: Buffer.alloc(0), stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  readonly closed = new Set<string>();
  exit: ExitedMessage | undefined;
  stdinWindow: StdinWindowMessage | undefined;
}

export class GuestClient implements Disposable {
  readonly #socket: Socket;
  readonly #session = sessionFrom(randomBytes(4));
  readonly #nonce = randomBytes(8).readBigUInt64LE();
  readonly #pending = new Map<number, (message: AgentMessage) => void>();
  readonly #processes = new Map<number, ProcessRecord>();
  #waiters: (() => void)[] = [];
  #nextId = 1;
  #failure: Error | undefined;
  /** Streams that are not acknowledged by themselves. */
  readonly held = new Set<number>();
  hello: HelloMessage | undefined;

  constructor(socket: Socket, afterBreak = false) {
    this.#socket = socket;
    const hunter = new SyncHunter('agent', ({ nonce }) => nonce === this.#nonce);
    const reader = new FrameReader(this.#session);
    let synced = false;
    socket.on('data', (chunk: Buffer) => {
      try {
        let bytes = chunk;
        if (!synced) {
          const hit = hunter.push(chunk);
          if (hit === undefined) return;
          synced = true;
          bytes = hit.rest;
        }
        for (const frame of reader.push(bytes))
          this.#receive(frame.id, decodeAgentMessage(frame.opcode, Buffer.from(frame.payload)));
      } catch (thrown) {
        this.#fail(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
      this.#wake();
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the channel was closed')));
    socket.write(encodeSync('host', { session: this.#session, generation, nonce: this.#nonce }, afterBreak));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  #receive(id: number, message: AgentMessage): void {
    switch (message.type) {
      case 'hello':
        this.hello = message;
        return;
      case 'data': {
        if (message.stream === 'stdin') throw new Error('the agent sent stdin');
        const record = this.process(id);
        const length = BigInt(record.output[message.stream].length);
        if (message.offset !== length) throw new Error(`data at ${message.offset}, ${length} were expected`);
        record.output[message.stream] = Buffer.concat([record.output[message.stream], message.bytes]);
        if (!this.held.has(id)) this.acknowledge(id, message.stream);
        return;
      }
      case 'closed':
        this.process(id).closed.add(message.stream);
        return;
      case 'stdinWindow':
        this.process(id).stdinWindow = message;
        return;
      case 'exited':
        this.process(id).exit = message;
        return;
      default: {
        const waiter = this.#pending.get(id);
        if (waiter === undefined) throw new Error(`${message.type} ${id} answers nothing`);
        this.#pending.delete(id);
        waiter(message);
      }
    }
  }

  acknowledge(
    process: number,
    stream: 'stdout' | 'stderr',
    upTo = this.process(process).output[stream].length,
  ): void {
    const acked = BigInt(upTo);
    this.send(process, { type: 'window', stream, acked, limit: acked + (256n << 10n) });
  }

  process(handle: number): ProcessRecord {
    let record = this.#processes.get(handle);
    if (record === undefined) this.#processes.set(handle, (record = new ProcessRecord()));
    return record;
  }

  /** Resolves when `condition` holds after something was received; fails with the channel. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  send(id: number, message: HostMessage): void {
    this.#socket.write(encodeHostFrame(this.#session, id, message));
  }

  async request<T extends RequestType>(
    message: Requests[T]['request'] & { type: T },
  ): Promise<Requests[T]['reply']> {
    const id = this.#nextId++;
    let answer: AgentMessage | undefined;
    this.#pending.set(id, (reply) => (answer = reply));
    this.send(id, message);
    await this.until(() => answer !== undefined);
    if (answer?.type === 'error') throw new GuestError(answer);
    return answer as Requests[T]['reply'];
  }

  async ended(process: number): Promise<ProcessRecord> {
    const record = this.process(process);
    await this.until(() => record.exit !== undefined);
    return record;
  }

  /** Exited, and both streams have ended. */
  async drained(process: number, streams = ['stdout', 'stderr']): Promise<ProcessRecord> {
    const record = await this.ended(process);
    await this.until(() => streams.every((stream) => record.closed.has(stream)));
    return record;
  }

  /** Writes a frame's header and less than it announces, and is gone. */
  breakWith(part: Buffer): void {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(part.length * 4);
    header.writeUInt32LE(this.#session, 4);
    header.writeUInt16LE(0x0302, 8);
    this.#socket.end(Buffer.concat([header, part]), () => this.#socket.destroy());
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

const docker = 0xa80425fbn; // Docker's fourteen capabilities

export function processSpec(
  process: number,
  args: readonly string[],
  changes: Partial<Process> = {},
): Process {
  return {
    process,
    args,
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    cwd: '/',
    user: '',
    additionalGroups: [],
    tty: false,
    rows: 0,
    cols: 0,
    stdinOpen: false,
    rlimits: [],
    capabilities: { bounding: docker, effective: docker, permitted: docker, inheritable: 0n, ambient: 0n },
    noNewPrivileges: false,
    oomScoreAdj: 0,
    discardOutput: false,
    ...changes,
  };
}

export function containerSpec(
  container: number,
  process: Process,
  changes: Partial<Container> = {},
): Container {
  return {
    container,
    id: container.toString(16).padStart(64, '0'),
    layers: [{ serial: 'layer' }],
    upper: 'upper',
    readonlyRoot: false,
    hostname: '',
    privilege: 'standard',
    sharePid: false,
    init: false,
    mounts: [],
    shmSize: 64n << 20n,
    files: [],
    sysctls: [],
    resources: {
      memoryMax: 0n,
      memoryLow: 0n,
      swapMax: -1n,
      cpuQuotaUs: 0n,
      cpuPeriodUs: 0n,
      cpuWeight: 0,
      pidsMax: 0n,
    },
    process,
    ...changes,
  };
}
