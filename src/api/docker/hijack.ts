/**
 * A request whose connection becomes a stream in both directions: attach and exec start.
 *
 * With an upgrade (`101 UPGRADED`) the bare connection is ours. Clients that do not ask for one get `200 OK` and the
 * stream as the answer's body, until the connection is closed; their input is the request's body.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { UpgradeResponse } from '../http/api-server.ts';
import { writeThrough } from '../http/write-through.ts';
import { frameHeader } from './stream-frames.ts';

export class HijackedStream {
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #contentType: string;
  readonly #tty: boolean;
  /** Set once the head of the answer is out. */
  #output: Writable | undefined;

  constructor(
    request: FastifyRequest,
    reply: FastifyReply,
    options: { readonly contentType: string; readonly tty: boolean },
  ) {
    this.#request = request;
    this.#reply = reply;
    this.#contentType = options.contentType;
    this.#tty = options.tty;
  }

  get begun(): boolean {
    return this.#output !== undefined;
  }

  /** Sends the answer's head; until then the request can still fail with a status. Idempotent. */
  begin(): Writable {
    this.#output ??= this.#takeOver();
    return this.#output;
  }

  /** Output to the client, held back while it does not read. */
  readonly write = (stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined => {
    if (this.#tty) return writeThrough(this.begin(), chunk);
    return writeThrough(this.begin(), frameHeader(stream, chunk.length), chunk);
  };

  /** What the client sends. Ends when it closes its side. A client that breaks off has ended, too. */
  get input(): AsyncIterable<Uint8Array> {
    const source = this.#inputStream();
    return {
      async *[Symbol.asyncIterator]() {
        try {
          yield* source.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
        } catch (error) {
          if (!source.destroyed) throw error;
        }
      },
    };
  }

  /** Called once when the connection is gone, by whichever side. */
  onClose(listener: () => void): void {
    const connection = this.#connection();
    if (connection.destroyed) listener();
    else connection.once('close', listener);
  }

  /** Says that no more output comes. */
  end(): void {
    const output = this.begin();
    const { raw } = this.#reply;
    if (raw instanceof UpgradeResponse) raw.closeGracefully();
    else output.end();
  }

  #connection(): Socket {
    const { raw } = this.#reply;
    return raw instanceof UpgradeResponse ? raw.output : this.#request.raw.socket;
  }

  #inputStream(): Readable {
    const { raw } = this.#reply;
    return raw instanceof UpgradeResponse ? raw.input : this.#request.raw;
  }

  #takeOver(): Writable {
    const { raw } = this.#reply;
    this.#reply.hijack();
    if (raw instanceof UpgradeResponse) {
      const socket = raw.output;
      raw.detachSocket(socket);
      socket.write(
        `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${this.#contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
      );
      return socket;
    }
    raw.useChunkedEncodingByDefault = false;
    raw.writeHead(200, { 'Content-Type': this.#contentType, Connection: 'close' });
    raw.flushHeaders();
    return raw;
  }
}

/** Whether this request has a way to send input. */
export function requireInput(request: FastifyRequest, reply: FastifyReply): void {
  if (reply.raw instanceof UpgradeResponse) return;
  const { headers } = request;
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0) return;
  throw new EngineError(
    'invalid_argument',
    'attaching stdin needs a connection upgrade: send "Connection: Upgrade" and "Upgrade: tcp"',
  );
}
