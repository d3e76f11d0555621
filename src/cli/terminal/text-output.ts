/**
 * Standard output and standard error. A slow reader never blocks the event loop (signals and stdin go on), and no flag of a
 * file description that is shared with other processes is changed: pipes and terminals are opened anew for this process.
 */
import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { ExitError } from '../exit-error.ts';

/** What a shell sees of a process that SIGPIPE ended. */
const brokenPipeExitCode = 141;

interface Sink {
  /** Resolves when the bytes are on their way and more may follow. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything was handed to the system. */
  flush(): Promise<void>;
}

export interface TextOutput {
  readonly isTerminal: boolean;
  /** Resolves when the reader keeps up again. Rejects with an ExitError when it is gone. */
  write(text: string | Uint8Array): Promise<void>;
  line(text: string): Promise<void>;
  /** Resolves when everything was handed to the system. */
  flush(): Promise<void>;
}

export class ProcessOutput implements TextOutput {
  readonly fd: 1 | 2;
  readonly isTerminal: boolean;
  #sink: Sink | undefined;
  /** Writes are in order, whoever awaits them. */
  #last: Promise<void> = Promise.resolve();

  constructor(fd: 1 | 2) {
    this.fd = fd;
    this.isTerminal = isatty(fd);
  }

  async write(text: string | Uint8Array): Promise<void> {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    if (bytes.length === 0) return;
    const writing = this.#last.then(() => this.#open().write(bytes));
    this.#last = writing.catch(() => undefined); // whoever wrote is told
    try {
      await writing;
    } catch (error) {
      throw asExit(error);
    }
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  async flush(): Promise<void> {
    await this.#last;
    try {
      await this.#sink?.flush();
    } catch (error) {
      throw asExit(error);
    }
  }

  #open(): Sink {
    this.#sink ??= openSink(this.fd, this.isTerminal);
    return this.#sink;
  }
}

function asExit(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EPIPE' || code === 'ECONNRESET'
    ? new ExitError(brokenPipeExitCode, '', { cause: error })
    : error;
}

function openSink(fd: number, isTerminal: boolean): Sink {
  if (isTerminal) return new ThreadSink(reopened(fd, constants.O_WRONLY | constants.O_NOCTTY));
  const stat = fstatSync(fd);
  if (stat.isFIFO()) return new SocketSink(reopened(fd, constants.O_WRONLY | constants.O_NONBLOCK));
  if (stat.isSocket()) return new SocketSink(fd);
  return new FileSink(fd);
}

/** The same pipe or terminal with flags of its own; `fd` itself where that is not allowed (a pipe of another user's). */
export function reopened(fd: number, flags: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, flags);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return fd;
    throw error;
  }
}

/** Files and devices take everything at once. */
class FileSink implements Sink {
  readonly #fd: number;
  constructor(fd: number) {
    this.#fd = fd;
  }
  write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(writeSync(this.#fd, rest));
    return Promise.resolve();
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
}

/** A terminal can be stopped (^S): its blocking writes wait in a thread. */
class ThreadSink implements Sink {
  readonly #fd: number;
  constructor(fd: number) {
    this.#fd = fd;
  }
  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#writeSome(rest));
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  #writeSome(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      write(this.#fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
    });
  }
}

/** Pipes and sockets: the event loop waits for their reader. */
class SocketSink implements Sink {
  readonly #socket: Socket;
  #error: Error | undefined;
  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: false, writable: true });
    this.#socket.on('error', (error) => (this.#error = error));
  }
  write(bytes: Uint8Array): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      const roomLeft = this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      if (roomLeft) resolve();
    });
  }
  flush(): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#socket.writableLength === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#socket.write('', (error) => (error ? reject(error) : resolve()));
    });
  }
}
