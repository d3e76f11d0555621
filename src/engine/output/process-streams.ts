/**
 * The standard streams of one process, and who is attached to them: output goes to the log and to every client, each
 * client's stdin goes to the process. Made before the process is, so that a client misses nothing from the first byte.
 */
import type { ContainerLog, OutputStream } from '../ports/log-store.ts';
import type { OutputSink, SandboxProcess } from '../ports/pod-runtime.ts';
import type { AttachOptions, AttachStreams, Attachment } from '../service.ts';
import { AttachedClient } from './attached-client.ts';
import { StdinPump } from './stdin-pump.ts';

export interface StdinRule {
  readonly open: boolean;
  /** The first client's end of input is the process's. */
  readonly closesWithClient: boolean;
}

/** How long an ended process's streams may stay open, because a child of its keeps them. */
const drainLimitMs = 2000;
/** How long the end of a process is kept secret for the sake of clients that still read. */
const deliverLimitMs = 2000;

export class ProcessStreams implements OutputSink {
  readonly #log: ContainerLog | undefined;
  readonly #stdin: StdinRule;
  readonly #clients = new Set<AttachedClient>();
  readonly #pumps = new Set<StdinPump>();
  readonly #started = Promise.withResolvers<SandboxProcess | undefined>();
  #finished = false;

  constructor(log: ContainerLog | undefined, stdin: StdinRule) {
    this.#log = log;
    this.#stdin = stdin;
  }

  write(stream: OutputStream, offset: bigint, chunk: Buffer): Promise<void> | undefined {
    const logged = this.#finished ? undefined : this.#log?.append(stream, offset, chunk);
    const held: Promise<void>[] = [];
    for (const client of this.#clients) {
      const wait = client.push(stream, chunk);
      if (wait !== undefined) held.push(wait);
    }
    return held.length === 0 ? logged : Promise.all([logged, ...held]).then(() => undefined);
  }

  /** Both streams' ends come together, with `finish`. */
  close(): void {
    return;
  }

  /** The process is there: input may flow. */
  started(process: SandboxProcess): void {
    this.#started.resolve(process);
  }

  /** Registers before it returns. */
  attach(options: AttachOptions, streams: AttachStreams): Attachment {
    const client = this.#attachOutput(options, streams);
    const pump = options.stream ? this.#attachStdin(streams) : undefined;
    const detach = () => {
      client.close();
      pump?.stop('client left');
    };
    if (this.#finished) client.end();
    return { done: client.done, detach };
  }

  #attachOutput(options: AttachOptions, streams: AttachStreams): AttachedClient {
    const write = streams.write ?? (() => undefined);
    const wants = {
      stdout: options.stdout && streams.write !== undefined,
      stderr: options.stderr && streams.write !== undefined,
    };
    const replays = options.logs && this.#log !== undefined;
    const client = new AttachedClient(write, wants, replays);
    if (options.stream) {
      this.#clients.add(client);
      void client.done.then(() => this.#clients.delete(client));
    }
    // From here on every chunk is in the queue, and all before it is in the log up to this place: no gap, no doubling.
    if (replays) void this.#replay(this.#log, client, options);
    else if (!options.stream) client.end();
    return client;
  }

  async #replay(log: ContainerLog, client: AttachedClient, options: AttachOptions): Promise<void> {
    const reading = new AbortController();
    void client.done.then(() => reading.abort());
    try {
      for await (const { stream, data } of log.readChunks(log.position(), reading.signal)) {
        if (client.closed) return;
        await client.deliver(stream, data);
      }
      client.release();
      if (!options.stream) client.end();
    } catch {
      client.close(); // a log that cannot be read ends the attachment, as it ends `logs`
    }
  }

  #attachStdin(streams: AttachStreams): StdinPump | undefined {
    if (!this.#stdin.open || streams.stdin === undefined || this.#finished) return undefined;
    const pump = new StdinPump(streams.stdin, this.#stdin.closesWithClient, this.#started.promise);
    this.#pumps.add(pump);
    void pump.done.then(() => this.#pumps.delete(pump));
    return pump;
  }

  /** The daemon goes: that clients are cut off now is not the end of the process's input. */
  leaveInput(): void {
    for (const pump of this.#pumps) pump.stop('process ended');
  }

  /**
   * The process has ended. Resolves when all of its output was taken, or when nobody can wait for more of it: a child
   * may keep the streams open.
   */
  async drain(drained: Promise<void>): Promise<void> {
    for (const client of this.#clients) client.stopHoldingBack();
    for (const pump of this.#pumps) pump.stop('process ended');
    await atMost(drained, drainLimitMs);
  }

  /** Nothing more will come, or nothing ever came: clients are told when they have everything. Idempotent. */
  async finish(): Promise<void> {
    this.#finished = true;
    this.#started.resolve(undefined);
    for (const pump of this.#pumps) pump.stop('process ended');
    const waiting = [...this.#clients].map((client) => {
      client.stopHoldingBack();
      client.end();
      return client.done;
    });
    await Promise.all([this.#log?.endRun(), atMost(Promise.all(waiting), deliverLimitMs)]);
  }
}

async function atMost(work: Promise<unknown>, limitMs: number): Promise<void> {
  const limit = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => limit.resolve(undefined), limitMs);
  try {
    await Promise.race([work, limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}
