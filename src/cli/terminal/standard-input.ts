/**
 * Standard input, asked for one chunk at a time. As with the outputs, pipes are opened anew: the next reader of a shared
 * pipe (`(dvm run -i …; cat) < pipe`) must not find it non-blocking.
 */
import { constants, fstatSync, read } from 'node:fs';
import { Socket } from 'node:net';
import { isatty, ReadStream } from 'node:tty';
import { reopened } from './text-output.ts';

const chunkBytes = 64 * 1024;

export interface StandardInput {
  readonly isTerminal: boolean;
  /** Undefined at the end, and after `close`. */
  chunks(): AsyncGenerator<Buffer, void>;
  /** Keystrokes come as they are typed and none means anything to the terminal; output is not touched either. */
  setRaw(): Promise<void>;
  /** Gives the terminal back as it was, and stops reading. Idempotent. */
  close(): void;
}

export function stdinIsTerminal(): boolean {
  return isatty(0);
}

export function openStandardInput(): StandardInput {
  if (isatty(0)) return new TerminalInput();
  const stat = fstatSync(0);
  if (stat.isFIFO()) return new SocketInput(reopened(0, constants.O_RDONLY | constants.O_NONBLOCK));
  return stat.isSocket() ? new SocketInput(0) : new FileInput();
}

class FileInput implements StandardInput {
  readonly isTerminal = false;
  #closed = false;

  async *chunks(): AsyncGenerator<Buffer, void> {
    while (!this.#closed) {
      const buffer = Buffer.allocUnsafe(chunkBytes);
      const length = await readSome(buffer);
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  }

  setRaw(): Promise<void> {
    return Promise.resolve(); // not a terminal
  }

  close(): void {
    this.#closed = true;
  }
}

class SocketInput implements StandardInput {
  readonly isTerminal = false;
  readonly #socket: Socket;

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: true, writable: false });
  }

  async *chunks(): AsyncGenerator<Buffer, void> {
    yield* streamChunks(this.#socket);
  }

  setRaw(): Promise<void> {
    return Promise.resolve(); // not a terminal
  }

  close(): void {
    this.#socket.destroy();
  }
}

class TerminalInput implements StandardInput {
  readonly isTerminal = true;
  readonly #stream = new ReadStream(0);

  async *chunks(): AsyncGenerator<Buffer, void> {
    yield* streamChunks(this.#stream);
  }

  /** Node restores the modes it found at its own start on every exit that a process can notice, `-opost` included. */
  async setRaw(): Promise<void> {
    this.#stream.setRawMode(true);
    const { disableOutputProcessing } = await import('./output-processing.ts'); // most runs need no process for this
    await disableOutputProcessing();
  }

  close(): void {
    if (this.#stream.isRaw) this.#stream.setRawMode(false);
    this.#stream.destroy();
  }
}

async function* streamChunks(stream: Socket): AsyncGenerator<Buffer, void> {
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    // A terminal that hung up (EIO) and a destroyed stream are ends of input.
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EIO' && code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ECONNRESET') throw error;
  }
}

function readSome(buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(0, buffer, 0, buffer.length, null, (error, length) => (error ? reject(error) : resolve(length)));
  });
}
