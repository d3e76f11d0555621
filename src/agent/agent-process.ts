import { EngineError } from '../errors/engine-error.ts';
import type { OutputSink, ProcessExit, TerminalSize } from '../engine/ports/pod-runtime.ts';
import { protocolError } from '../guest-protocol/bytes.ts';
import { limits } from '../guest-protocol/generated.ts';
import type { ExitedMessage, HostMessage, RequestMessage } from '../guest-protocol/generated.ts';
import { InputStream } from './input-stream.ts';
import { OutputStream } from './output-stream.ts';

/** What a process needs of the connection it is on. */
export interface ProcessChannel {
  /** Undefined: there is room for more. Never throws; on a dead channel the bytes go nowhere. */
  sendStream(process: number, message: HostMessage): Promise<void> | undefined;
  request(message: RequestMessage): Promise<unknown>;
  /** The agent was told to forget it. */
  forget(process: number): void;
  sinkFailed(process: number, error: unknown): void;
}

/** Which streams a process has, and where they go on. */
export interface ProcessStreams {
  readonly stdout: bigint | undefined;
  readonly stderr: bigint | undefined;
  /** Undefined: /dev/null, or ended long ago. */
  readonly stdin: { readonly offset: bigint; readonly limit: bigint } | undefined;
}

/** The streams of a process that is about to start. */
export function newStreams(process: {
  readonly tty: boolean;
  readonly stdinOpen: boolean;
  readonly discardOutput: boolean;
}): ProcessStreams {
  return {
    stdout: process.discardOutput ? undefined : 0n,
    stderr: process.discardOutput || process.tty ? undefined : 0n,
    stdin: process.stdinOpen ? { offset: 0n, limit: BigInt(limits.STREAM_WINDOW) } : undefined,
  };
}

/** The host's end of one process in the guest. */
export class AgentProcess {
  readonly handle: number;
  readonly container: number;
  readonly exited: Promise<ProcessExit | { readonly lost: string }>;
  readonly drained: Promise<void>;
  readonly #channel: ProcessChannel;
  readonly #exit = Promise.withResolvers<ProcessExit | { readonly lost: string }>();
  readonly #stdout: OutputStream | undefined;
  readonly #stderr: OutputStream | undefined;
  readonly #stdin: InputStream | undefined;
  #released: Promise<void> | undefined;
  #abandoned = false;

  constructor(
    handle: number,
    container: number,
    streams: ProcessStreams,
    sink: OutputSink,
    channel: ProcessChannel,
  ) {
    this.handle = handle;
    this.container = container;
    this.#channel = channel;
    this.#stdout = this.#output('stdout', streams.stdout, sink);
    this.#stderr = this.#output('stderr', streams.stderr, sink);
    this.#stdin = this.#input(streams.stdin);
    this.exited = this.#exit.promise;
    this.drained = Promise.all([this.#stdout?.drained, this.#stderr?.drained]).then(() => undefined);
  }

  #output(name: 'stdout' | 'stderr', offset: bigint | undefined, sink: OutputSink): OutputStream | undefined {
    if (offset === undefined) {
      sink.close(name);
      return undefined;
    }
    return new OutputStream({
      name,
      sink,
      offset,
      sendWindow: (acked, limit) => {
        void this.#channel.sendStream(this.handle, { type: 'window', stream: name, acked, limit });
      },
      sinkFailed: (error) => this.#channel.sinkFailed(this.handle, error),
    });
  }

  #input(from: ProcessStreams['stdin']): InputStream | undefined {
    if (from === undefined) return undefined;
    return new InputStream({
      ...from,
      send: (offset, bytes) => this.#channel.sendStream(this.handle, { type: 'stdin', offset, bytes }),
      sendClose: (offset) => {
        void this.#channel.sendStream(this.handle, { type: 'stdinClose', offset });
      },
    });
  }

  /** Whoever started it gave up, and it may yet start. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  async writeStdin(chunk: Uint8Array): Promise<void> {
    if (this.#stdin === undefined) {
      throw new EngineError('failed_precondition', 'the process was started without a standard input');
    }
    await this.#stdin.write(chunk);
  }

  async closeStdin(): Promise<void> {
    await this.#stdin?.close();
  }

  async signal(signal: number, options?: { readonly all?: boolean }): Promise<void> {
    const all = options?.all ?? false;
    await this.#channel.request({
      type: 'signal',
      container: this.container,
      process: this.handle,
      signal,
      all,
    });
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#channel.request({ type: 'resize', process: this.handle, rows: size.rows, cols: size.cols });
  }

  /** Idempotent. */
  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    await this.#channel.request({ type: 'releaseProcess', process: this.handle });
    this.#channel.forget(this.handle);
    this.lose('the process was released');
  }

  receiveData(stream: 'stdin' | 'stdout' | 'stderr', offset: bigint, bytes: Buffer): void {
    this.#outputOf(stream, 'data').receive(offset, bytes);
  }

  receiveClosed(stream: 'stdin' | 'stdout' | 'stderr', offset: bigint): void {
    const output = stream === 'stdout' ? this.#stdout : stream === 'stderr' ? this.#stderr : undefined;
    if (output === undefined && offset === 0n) return; // a stream that never was has ended at its start
    this.#outputOf(stream, 'the end').close(offset);
  }

  receiveStdinWindow(limit: bigint, closed: boolean): void {
    this.#stdin?.grant(limit);
    if (closed) this.#stdin?.fail(noReader());
  }

  receiveExit(exit: Pick<ExitedMessage, 'exitCode' | 'signal' | 'oomKilled' | 'exitedAtNs'>): void {
    this.#stdin?.fail(noReader());
    this.#exit.resolve({
      exitCode: exit.signal > 0 ? (128 + exit.signal) & 0xff : exit.exitCode,
      ...(exit.signal > 0 && { signal: exit.signal }),
      oomKilled: exit.oomKilled,
      exitedAt: new Date(Number(exit.exitedAtNs / 1_000_000n)),
    });
  }

  /** Asks the agent to go on with the output where this end is. */
  requestOutput(): void {
    for (const [stream, output] of [
      ['stdout', this.#stdout],
      ['stderr', this.#stderr],
    ] as const) {
      if (output === undefined) continue;
      const { offset, limit } = output;
      void this.#channel.sendStream(this.handle, { type: 'streamResume', stream, offset, limit });
    }
  }

  /** Nobody wants the output any more: it is taken and dropped, so that it does not stop the process. */
  discardOutput(): void {
    this.#abandoned = true;
    this.#stdout?.discard();
    this.#stderr?.discard();
  }

  /** Nothing will ever come again: settles whatever somebody may wait for. */
  lose(why: string): void {
    this.#exit.resolve({ lost: why });
    this.#stdin?.fail(new EngineError('unavailable', why));
    this.#stdout?.cut();
    this.#stderr?.cut();
  }

  #outputOf(stream: 'stdin' | 'stdout' | 'stderr', what: string): OutputStream {
    const output = stream === 'stdout' ? this.#stdout : stream === 'stderr' ? this.#stderr : undefined;
    if (output === undefined)
      throw protocolError(`${what} of a ${stream} that process ${this.handle} does not have`);
    return output;
  }
}

function noReader(): EngineError {
  return new EngineError('failed_precondition', 'the process no longer reads its standard input');
}
