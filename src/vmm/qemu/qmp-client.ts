/**
 * QEMU's machine protocol: one JSON object per line, both ways, over the VMM's Unix socket.
 *
 * What comes in is checked like any guest's bytes: a VMM that was broken into speaks here.
 */
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import { orAborted } from '../../system/deadline.ts';
import { writeWithDescriptor } from '../../system/pass-descriptor.ts';
import type { UnixConnection } from '../../system/unix-socket.ts';
import type { Json } from '../../engine/model/json.ts';
import { EngineError } from '../../errors/engine-error.ts';

type Arguments = Readonly<Record<string, Json>>;

export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** QEMU refused a command; `class` is QEMU's word for the kind. */
export class QmpError extends EngineError {
  readonly command: string;
  readonly errorClass: string;
  constructor(command: string, errorClass: string, description: string) {
    super('internal', `QEMU refused ${command}: ${description}`);
    this.name = 'QmpError';
    this.command = command;
    this.errorClass = errorClass;
  }
}

interface Pending {
  readonly command: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const maxLineBytes = 4 << 20; // the largest honest answer, query-named-block-nodes, has some 100 KiB

export class QmpClient {
  readonly #connection: UnixConnection;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #closed = Promise.withResolvers<undefined>();
  readonly #decoder = new StringDecoder('utf8');
  #isClosed = false;
  #isLetGo = false;
  #partial = '';
  #lastId = 0;
  #descriptorsSent: Promise<void> = Promise.resolve();

  constructor(connection: UnixConnection) {
    this.#connection = connection;
    const { socket } = connection;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => socket.destroy()); // `close` follows
    socket.on('close', () => this.#close());
  }

  /** Resolves when the connection has ended, for whatever reason. */
  get closed(): Promise<undefined> {
    return this.#closed.promise;
  }

  /**
   * Leaves negotiation mode. The request is sent at once, before QEMU has greeted, perhaps before it listens: what is
   * executed after it goes on the way without waiting for it.
   */
  async negotiate(signal: AbortSignal): Promise<void> {
    await this.execute('qmp_capabilities', {}, signal);
  }

  /** Resolves with QEMU's `return` value. Rejects with QmpError, with `unavailable` when QEMU is gone, or the signal's reason. */
  async execute(command: string, args: Arguments, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    await this.#descriptorsSent; // what was asked first is sent first
    const { id, answer } = this.#expect(command);
    if (!this.#isClosed) this.#connection.socket.write(encode(command, args, id));
    return await orAborted(answer, signal);
  }

  /** As `execute`, with an open file attached: the commands `add-fd` and `getfd`. */
  async executeWithDescriptor(
    command: string,
    args: Arguments,
    fd: number,
    signal: AbortSignal,
  ): Promise<unknown> {
    signal.throwIfAborted();
    const { id, answer } = this.#expect(command);
    const turn = this.#descriptorsSent;
    const sent = turn.then(() =>
      writeWithDescriptor(this.#connection, encode(command, args, id), fd, signal),
    );
    this.#descriptorsSent = sent.catch(() => undefined);
    try {
      await sent;
    } catch (error) {
      this.#pending.delete(id);
      throw error;
    }
    return await orAborted(answer, signal);
  }

  /** Calls `listener` for every event until the result is disposed. */
  listen(listener: (event: QmpEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Resolves with the first event that fits; rejects when the connection ends before. Listen before you cause it. */
  async waitFor(fits: (event: QmpEvent) => boolean, signal: AbortSignal): Promise<QmpEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<QmpEvent>();
    const listening = this.listen((event) => {
      if (fits(event)) resolve(event);
    });
    void this.#closed.promise.then(() => reject(gone('an event')));
    try {
      return await orAborted(promise, signal);
    } finally {
      listening[Symbol.dispose]();
    }
  }

  close(): void {
    this.#connection.socket.destroy();
  }

  /** Closes it without `closed` being told: the other side stays as it is, for somebody else. */
  async letGo(): Promise<void> {
    this.#isLetGo = true;
    const { socket } = this.#connection;
    socket.destroy();
    if (!socket.closed) await once(socket, 'close');
  }

  #expect(command: string): { id: number; answer: Promise<unknown> } {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    promise.catch(() => undefined); // whoever gave up waiting does not hear of it any more
    if (this.#isClosed) reject(gone(command));
    else this.#pending.set(id, { command, resolve, reject });
    return { id, answer: promise };
  }

  #receive(chunk: Buffer): void {
    const text = this.#partial + this.#decoder.write(chunk);
    const lines = text.split('\n');
    this.#partial = lines.pop() ?? '';
    if (this.#partial.length > maxLineBytes) this.close();
    for (const line of lines) this.#dispatch(line);
  }

  #dispatch(line: string): void {
    const message = parseMessage(line);
    if (message === undefined) this.close();
    else if (typeof message['event'] === 'string') this.#announce(message['event'], message['data']);
    else if (!('QMP' in message)) this.#answer(message); // that is its greeting
  }

  #announce(name: string, data: unknown): void {
    const event = { name, data: asRecord(data) ?? {} };
    for (const listener of [...this.#listeners]) listener(event);
  }

  #answer(message: Readonly<Record<string, unknown>>): void {
    const pending = this.#pending.get(Number(message['id']));
    if (pending === undefined) return; // given up, or made up
    this.#pending.delete(Number(message['id']));
    const error = asRecord(message['error']);
    if (error === undefined) pending.resolve(message['return']);
    else pending.reject(new QmpError(pending.command, String(error['class']), String(error['desc'])));
  }

  #close(): void {
    this.#isClosed = true;
    for (const pending of this.#pending.values()) pending.reject(gone(pending.command));
    this.#pending.clear();
    if (!this.#isLetGo) this.#closed.resolve(undefined);
  }
}

function encode(command: string, args: Arguments, id: number): Buffer {
  return Buffer.from(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
}

function gone(what: string): EngineError {
  return new EngineError('unavailable', `QEMU closed its control socket before ${what} was answered`);
}

function parseMessage(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return asRecord(JSON.parse(line));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The value as an object whose fields can be looked at; undefined when it is none. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}
