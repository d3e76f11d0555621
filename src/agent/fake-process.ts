/** A process of the fake agent: a function that reads, writes and is signalled, with the real streams' windows. */
import { limits } from '../guest-protocol/generated.ts';
import type { AgentMessage, Process, ProcessStatus } from '../guest-protocol/generated.ts';

/** What a fake program sees of itself. */
export interface FakeProgramContext {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly tty: boolean;
  readonly hostname: () => string;
  readonly size: () => { readonly rows: number; readonly cols: number };
  /** The next piece of standard input; undefined at its end. */
  readonly read: () => Promise<Buffer | undefined>;
  /** Waits while the host takes nothing. */
  readonly write: (stream: 'stdout' | 'stderr', bytes: Uint8Array | string) => Promise<void>;
  /** Resolves with the signal that was sent. Without a handler signals end the process. */
  readonly onSignal: (handler: (signal: number) => void) => void;
  /** Aborted when the process is killed; a program that waits must watch it. */
  readonly killed: AbortSignal;
}

/** Resolves with the exit code. */
export type FakeProgram = (context: FakeProgramContext) => Promise<number>;

export interface FakeProcessLink {
  /** False: nothing can be sent now, `pump` will be called. */
  send(process: number, message: AgentMessage): boolean;
  readonly hostname: () => string;
}

const sigkill = 9;

class FakeOutput {
  bytes = Buffer.alloc(0); // from `acked` on
  acked = 0n;
  sent = 0n;
  limit = BigInt(limits.STREAM_WINDOW);
  /** After a reconnect nothing is sent before the host said from where. */
  flowing = true;
  closed = false;
  closedSent = false;

  get end(): bigint {
    return this.acked + BigInt(this.bytes.length);
  }
}

export class FakeProcess {
  readonly spec: Process;
  readonly container: number;
  readonly pid: number;
  readonly #link: FakeProcessLink;
  readonly #outputs = { stdout: new FakeOutput(), stderr: new FakeOutput() };
  readonly #kill = new AbortController();
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers();
  #size: { rows: number; cols: number };
  #handler: ((signal: number) => void) | undefined;
  #signal = 0;
  #exit: { exitCode: number; signal: number; exitedAtNs: bigint } | undefined;
  #exitSent = false;
  #stdin: Buffer[] = [];
  #stdinReceived = 0n;
  #stdinTaken = 0n;
  #stdinEnded: boolean;
  #wake: (() => void)[] = [];
  frozen = false;

  constructor(spec: Process, container: number, pid: number, link: FakeProcessLink) {
    this.spec = spec;
    this.container = container;
    this.pid = pid;
    this.#link = link;
    this.#size = { rows: spec.rows, cols: spec.cols };
    this.#stdinEnded = !spec.stdinOpen;
  }

  /** Resolves when it has exited and everything is written. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get exited(): boolean {
    return this.#exit !== undefined;
  }

  start(program: FakeProgram): void {
    const aborted = new Promise<number>((resolve) => {
      this.#kill.signal.addEventListener('abort', () => resolve(0), { once: true });
    });
    void Promise.race([program(this.#context()), aborted])
      .catch(() => 1)
      .then((exitCode) => {
        this.#exit = {
          exitCode: this.#signal > 0 ? 0 : exitCode,
          signal: this.#signal,
          exitedAtNs: BigInt(Date.now()) * 1_000_000n,
        };
        for (const output of Object.values(this.#outputs)) output.closed = true;
        this.#ended.resolve();
        this.pump();
      });
  }

  status(): ProcessStatus {
    const { stdout, stderr } = this.#outputs;
    return {
      container: this.container,
      process: this.spec.process,
      pid: this.pid,
      state: this.#exit === undefined ? 'running' : 'exited',
      exitCode: this.#exit?.exitCode ?? 0,
      signal: this.#exit?.signal ?? 0,
      oomKilled: false,
      exitedAtNs: this.#exit?.exitedAtNs ?? 0n,
      stdinReceived: this.#stdinReceived,
      stdoutAcked: stdout.acked,
      stderrAcked: stderr.acked,
      stdoutEnd: stdout.end,
      stderrEnd: stderr.end,
      stdoutClosed: stdout.closed,
      stderrClosed: stderr.closed,
    };
  }

  /** A new connection: what `hello` tells is told, output waits for `streamResume`. */
  holdOutput(): void {
    for (const output of Object.values(this.#outputs)) {
      output.flowing = false;
      output.closedSent = false;
    }
    this.#exitSent = this.#exit !== undefined;
  }

  signal(signal: number): void {
    if (signal !== sigkill && this.#handler !== undefined) {
      this.#handler(signal);
      return;
    }
    this.#signal = signal;
    this.#kill.abort();
    this.#wakeAll();
  }

  resize(rows: number, cols: number): void {
    this.#size = { rows, cols };
    this.#handler?.(28);
  }

  receiveStdin(offset: bigint, bytes: Uint8Array): void {
    if (offset !== this.#stdinReceived)
      throw new Error(`stdin at ${String(offset)}, wanted ${String(this.#stdinReceived)}`);
    if (offset + BigInt(bytes.length) > this.#stdinLimit()) throw new Error('stdin beyond its window');
    this.#stdinReceived += BigInt(bytes.length);
    this.#stdin.push(Buffer.from(bytes));
    this.#wakeAll();
  }

  closeStdin(): void {
    this.#stdinEnded = true;
    this.#wakeAll();
  }

  receiveWindow(stream: 'stdout' | 'stderr', acked: bigint, limit: bigint): void {
    const output = this.#outputs[stream];
    if (acked > output.sent || acked < output.acked)
      throw new Error(`${stream} acknowledged at ${String(acked)}`);
    this.#forgetUpTo(output, acked);
    if (limit > output.limit) output.limit = limit;
    this.#wakeAll();
    this.pump();
  }

  resumeOutput(stream: 'stdout' | 'stderr', offset: bigint, limit: bigint): void {
    const output = this.#outputs[stream];
    if (offset < output.acked || offset > output.end)
      throw new Error(`${stream} resumed at ${String(offset)}`);
    this.#forgetUpTo(output, offset);
    output.sent = offset;
    output.limit = limit;
    output.flowing = true;
    this.#wakeAll();
    this.pump();
  }

  /** Sends what may be sent. */
  pump(): void {
    if (!this.#pumpOutput('stdout') || !this.#pumpOutput('stderr')) return;
    const exit = this.#exit;
    if (exit === undefined || this.#exitSent) return;
    this.#exitSent = this.#link.send(this.spec.process, {
      type: 'exited',
      container: this.container,
      oomKilled: false,
      ...exit,
    });
  }

  #pumpOutput(stream: 'stdout' | 'stderr'): boolean {
    const output = this.#outputs[stream];
    if (!output.flowing) return true;
    while (output.sent < output.end && output.sent < output.limit) {
      const most = output.limit < output.end ? output.limit : output.end;
      const start = Number(output.sent - output.acked);
      const bytes = output.bytes.subarray(
        start,
        Math.min(Number(most - output.acked), start + limits.MAX_DATA),
      );
      if (!this.#link.send(this.spec.process, { type: 'data', stream, offset: output.sent, bytes }))
        return false;
      output.sent += BigInt(bytes.length);
    }
    if (!output.closed || output.closedSent || output.sent < output.end || !this.#hasStream(stream))
      return true;
    output.closedSent = this.#link.send(this.spec.process, { type: 'closed', stream, offset: output.end });
    return output.closedSent;
  }

  #hasStream(stream: 'stdout' | 'stderr'): boolean {
    return !this.spec.discardOutput && !(this.spec.tty && stream === 'stderr');
  }

  #forgetUpTo(output: FakeOutput, offset: bigint): void {
    output.bytes = output.bytes.subarray(Number(offset - output.acked));
    output.acked = offset;
  }

  #stdinLimit(): bigint {
    return this.#stdinTaken + BigInt(limits.STREAM_WINDOW);
  }

  grantStdin(): void {
    if (!this.spec.stdinOpen) return;
    this.#link.send(this.spec.process, {
      type: 'stdinWindow',
      acked: this.#stdinTaken,
      limit: this.#stdinLimit(),
      closed: this.#exit !== undefined,
    });
  }

  #context(): FakeProgramContext {
    return {
      args: this.spec.args,
      env: this.spec.env,
      user: this.spec.user,
      tty: this.spec.tty,
      hostname: this.#link.hostname,
      size: () => this.#size,
      read: () => this.#read(),
      write: (stream, bytes) => this.#write(stream, Buffer.from(bytes)),
      onSignal: (handler) => (this.#handler = handler),
      killed: this.#kill.signal,
    };
  }

  async #read(): Promise<Buffer | undefined> {
    for (;;) {
      this.#kill.signal.throwIfAborted();
      const bytes = this.#stdin.shift();
      if (bytes !== undefined) {
        this.#stdinTaken += BigInt(bytes.length);
        this.grantStdin();
        return bytes;
      }
      if (this.#stdinEnded) return undefined;
      await this.#woken();
    }
  }

  async #write(stream: 'stdout' | 'stderr', bytes: Buffer): Promise<void> {
    if (this.spec.discardOutput) return;
    const output = this.#outputs[this.spec.tty ? 'stdout' : stream];
    for (let rest = bytes; rest.length > 0;) {
      this.#kill.signal.throwIfAborted();
      const room = limits.STREAM_WINDOW - output.bytes.length;
      if (room <= 0 || this.frozen) {
        await this.#woken();
        continue;
      }
      output.bytes = Buffer.concat([output.bytes, rest.subarray(0, room)]);
      rest = rest.subarray(room);
      this.pump();
    }
  }

  wake(): void {
    this.#wakeAll();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #wakeAll(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
