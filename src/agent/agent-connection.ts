import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import type { OutputSink } from '../engine/ports/pod-runtime.ts';
import { encodeHostFrame } from '../guest-protocol/frames.ts';
import type { Frame, FrameReader } from '../guest-protocol/frames.ts';
import { decodeAgentMessage } from '../guest-protocol/generated.ts';
import type {
  AgentMessage,
  Container,
  HelloMessage,
  HostMessage,
  Process,
  Requests,
  RequestType,
} from '../guest-protocol/generated.ts';
import type { AgentProcess } from './agent-process.ts';
import { handshake } from './handshake.ts';
import type { Handshake } from './handshake.ts';
import { PendingRequests } from './pending-requests.ts';
import type { RequestOptions } from './pending-requests.ts';
import { ProcessTable } from './process-table.ts';
import type { ResumeOffsets } from './resumed-streams.ts';

export interface AgentConnectionOptions {
  /** The agent never was connected before, or is the clone of such a one: nothing of it can be stuck half-way. */
  readonly fresh: boolean;
  /** For handshake and `hello`; later waits have their own. */
  readonly signal: AbortSignal;
  /** Something failed that nobody waits for. */
  readonly warn: (message: string, cause: unknown) => void;
  /** How long a request may take that does not say; 30 s. */
  readonly timeoutMs?: number;
}

export interface StartedProcess {
  readonly process: AgentProcess;
  readonly pid: number;
}

/**
 * The host's end of the guest channel: requests with their replies, and the streams of many processes, over one Duplex.
 *
 * Every byte comes from a guest. What does not fit the protocol ends the connection: `ended` resolves with the reason and
 * requests reject with it. Nothing the guest sends makes it hold more than one frame and the windows it granted.
 */
export class AgentConnection implements AsyncDisposable {
  readonly hello: HelloMessage;
  /** Resolves once, with why: the channel broke, the agent broke the rules, or it was disposed. Never rejects. */
  readonly ended: Promise<EngineError>;
  readonly #channel: Duplex;
  readonly #session: number;
  readonly #frames: FrameReader;
  readonly #pending: PendingRequests;
  readonly #processes: ProcessTable;
  readonly #end = Promise.withResolvers<EngineError>();
  #failure: EngineError | undefined;
  /** Resolves when the channel takes more; undefined while it does. */
  #room: PromiseWithResolvers<void> | undefined;

  /** Destroys the channel when it fails: `unavailable`, `failed_precondition` (another generation), the signal's reason. */
  static async open(channel: Duplex, options: AgentConnectionOptions): Promise<AgentConnection> {
    return new AgentConnection(channel, await handshake(channel, options), options);
  }

  private constructor(channel: Duplex, start: Handshake, options: AgentConnectionOptions) {
    this.hello = start.hello;
    this.ended = this.#end.promise;
    this.#channel = channel;
    this.#session = start.session;
    this.#frames = start.frames;
    this.#pending = new PendingRequests(options.timeoutMs ?? 30_000);
    this.#processes = new ProcessTable(
      start.hello.processes,
      {
        sendStream: (process, message) => this.#send(process, message),
        request: async (message) => await this.request(message),
        forget: (process) => this.#processes.remove(process),
        sinkFailed: (process, error) =>
          options.warn(`output of process ${process} could not be stored`, error),
      },
      options.warn,
    );
    channel.on('drain', () => this.#hasRoom());
    channel.on('error', (error) => this.#fail(broken(messageOf(error))));
    channel.on('end', () => this.#fail(broken('the guest closed it')));
    channel.on('close', () => this.#fail(broken('it was closed')));
    if (channel.destroyed) this.#fail(broken('it was closed'));
    this.#receive(start.rest);
    channel.on('data', (chunk: Buffer) => this.#receive(this.#frames.push(chunk)));
    channel.resume();
  }

  /**
   * Sends a request and waits for its reply. Rejects with what the agent refused, `deadline_exceeded`, the signal's reason,
   * or why the connection ended.
   */
  async request<T extends RequestType>(
    message: Requests[T]['request'] & { readonly type: T },
    options: RequestOptions = {},
  ): Promise<Requests[T]['reply']> {
    if (this.#failure !== undefined) throw this.#failure;
    const { id, reply } = this.#pending.add(message.type, options);
    try {
      void this.#send(id, message);
    } catch (error) {
      this.#pending.drop(id, error); // it does not fit into a frame, or a string has a NUL
    }
    return await reply;
  }

  /** One message starts a container and its first process. Throws StartError when that is the command's own fault. */
  async startContainer(
    container: Container,
    sink: OutputSink,
    options: RequestOptions = {},
  ): Promise<StartedProcess> {
    const message = { type: 'startContainer', container } as const;
    return await this.#start(container.container, container.process, sink, (withLate) =>
      this.request(message, { ...options, ...withLate }),
    );
  }

  /** A further process in a container. Throws as `startContainer`. */
  async exec(
    container: number,
    process: Process,
    sink: OutputSink,
    options: RequestOptions = {},
  ): Promise<StartedProcess> {
    const message = { type: 'exec', container, process } as const;
    return await this.#start(container, process, sink, (withLate) =>
      this.request(message, { ...options, ...withLate }),
    );
  }

  /**
   * Takes up a process that `hello` told of, its output from the given offsets on. Throws `not_found`, or `data_loss` when
   * the guest never had what the offsets say is recorded.
   */
  resumeProcess(handle: number, offsets: ResumeOffsets, sink: OutputSink): StartedProcess {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#processes.claim(handle, offsets, sink);
  }

  /** Drops the output of processes that nobody took up, so that it does not stop them; forgets each when it has ended. */
  discardUnclaimed(): void {
    if (this.#failure === undefined) this.#processes.discardUnclaimed();
  }

  /** After `ended`: settles all that waits for a process, with the reason the caller knows better than the channel. */
  loseProcesses(why: string): void {
    this.#processes.loseAll(why);
  }

  /** Ends the connection; the guest keeps everything for the next one. Requests reject with `canceled`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new EngineError('canceled', 'the connection to the guest was given up'));
    if (!this.#channel.closed) await once(this.#channel, 'close');
  }

  async #start(
    container: number,
    spec: Process,
    sink: OutputSink,
    request: (options: Pick<RequestOptions, 'onLate' | 'onAbandoned'>) => Promise<{ readonly pid: number }>,
  ): Promise<StartedProcess> {
    if (this.#failure !== undefined) throw this.#failure;
    const process = this.#processes.add(container, spec, sink);
    try {
      const { pid } = await request({
        onAbandoned: () => process.discardOutput(),
        onLate: (reply) => {
          if (reply.type === 'error') this.#processes.remove(process.handle);
          else this.#processes.killAbandoned(process);
        },
      });
      return { process, pid };
    } catch (error) {
      if (!process.abandoned) this.#processes.remove(process.handle);
      throw error;
    }
  }

  #receive(frames: Iterable<Frame>): void {
    if (this.#failure !== undefined) return;
    try {
      for (const frame of frames) this.#dispatch(frame.id, decodeAgentMessage(frame.opcode, frame.payload));
    } catch (error) {
      this.#fail(error instanceof EngineError ? error : broken(messageOf(error)));
    }
  }

  #dispatch(id: number, message: AgentMessage): void {
    switch (message.type) {
      case 'data':
      case 'closed':
      case 'stdinWindow':
      case 'exited':
      case 'hello': // a second one: the table refuses it
        this.#processes.receive(id, message);
        return;
      default:
        this.#pending.settle(id, message);
    }
  }

  /** Undefined: the channel takes more. On a dead channel the message goes nowhere. */
  #send(id: number, message: HostMessage): Promise<void> | undefined {
    const frame = encodeHostFrame(this.#session, id, message);
    if (this.#failure !== undefined) return undefined;
    if (!this.#channel.write(frame)) this.#room ??= Promise.withResolvers();
    return this.#room?.promise;
  }

  #hasRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  #fail(error: EngineError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#channel.destroy();
    this.#pending.failAll(error);
    this.#hasRoom();
    this.#end.resolve(error);
  }
}

function broken(why: string): EngineError {
  return new EngineError('unavailable', `guest channel: ${why}`);
}
