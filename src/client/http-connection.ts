/** One connection to the daemon: one exchange at a time, kept alive between them. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { EngineError } from '../errors/engine-error.ts';
import { isReusable, readBody } from './body-reader.ts';
import { ByteQueue } from './byte-queue.ts';
import type { Endpoint } from './endpoint.ts';
import { formatRequestHead, parseResponseHead } from './http-head.ts';
import type { ResponseHead } from './http-head.ts';

const maxHeadBytes = 256 * 1024;
const headEnd = Buffer.from('\r\n\r\n');

export interface HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is sent in chunks, as its reader keeps up. */
  readonly body?: Buffer | AsyncIterable<Uint8Array>;
}

export interface HttpResponse extends ResponseHead {
  readonly body: AsyncGenerator<Buffer, void>;
}

export class HttpConnection {
  readonly socket: Socket;
  readonly bytes: ByteQueue;
  #open = true;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.bytes = new ByteQueue(socket);
    socket.once('close', () => (this.#open = false));
  }

  /** Rejects with the system's error (ENOENT, ECONNREFUSED, EACCES, …). */
  static open(endpoint: Endpoint): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: endpoint.socketPath, allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new HttpConnection(socket));
      });
    });
  }

  get isOpen(): boolean {
    return this.#open && !this.socket.readableEnded && this.socket.writable;
  }

  /** Sends the request and reads the answer's head. `onIdle` is told when the body came to its end and another may follow. */
  async exchange(request: HttpRequest, onIdle: () => void): Promise<HttpResponse> {
    // A daemon that refuses a long body answers before it has read all of it, and may then hang up: its answer counts.
    // A body that cannot be read any further is another matter: nobody would ever answer half of a request.
    const sendFailure = this.#send(request).then(
      () => undefined,
      (error: unknown) => {
        if (!isHangUp(error)) this.destroy();
        return error;
      },
    );
    let head: ResponseHead;
    try {
      head = await this.#readHead();
    } catch (error) {
      this.destroy();
      throw (await sendFailure) ?? error;
    }
    const reusable = isReusable(request.method, head);
    const body = readBody(this.bytes, request.method, head);
    return { ...head, body: this.#finishing(body, reusable ? onIdle : () => this.destroy()) };
  }

  /** Sends a request that turns the connection into a byte stream. Undefined: it stayed HTTP, and this is the answer. */
  async upgrade(request: HttpRequest): Promise<HttpResponse> {
    return await this.exchange(request, () => this.destroy());
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #send(request: HttpRequest): Promise<void> {
    const { body } = request;
    const length = Buffer.isBuffer(body) ? { 'Content-Length': String(body.length) } : {};
    const chunked = body !== undefined && !Buffer.isBuffer(body) ? { 'Transfer-Encoding': 'chunked' } : {};
    const head = formatRequestHead({
      method: request.method,
      target: request.target,
      headers: { Host: 'dvm', 'User-Agent': 'dvm', ...request.headers, ...length, ...chunked },
    });
    if (body === undefined || Buffer.isBuffer(body)) {
      this.socket.write(body === undefined ? head : Buffer.concat([Buffer.from(head), body]));
      return;
    }
    await this.#write(Buffer.from(head));
    for await (const chunk of body) {
      if (chunk.length === 0) continue;
      await this.#write(
        Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
      );
    }
    await this.#write(Buffer.from('0\r\n\r\n'));
  }

  #write(chunk: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }

  async #readHead(): Promise<ResponseHead> {
    let read: Buffer = Buffer.alloc(0);
    for (;;) {
      const chunk = await this.bytes.next();
      if (chunk === undefined) {
        throw new EngineError(
          'unavailable',
          'the daemon closed the connection without an answer; was it stopped?',
        );
      }
      read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
      const end = read.indexOf(headEnd);
      if (end >= 0) {
        this.bytes.unshift(read.subarray(end + headEnd.length));
        const head = parseResponseHead(read.toString('latin1', 0, end));
        if (head.status >= 200 || head.status === 101) return head;
        return await this.#readHead(); // 100 Continue and the like announce another
      }
      if (read.length > maxHeadBytes) {
        throw new EngineError('unavailable', "the head of the daemon's answer does not end");
      }
    }
  }

  async *#finishing(body: AsyncGenerator<Buffer, void>, onEnd: () => void): AsyncGenerator<Buffer, void> {
    let ended = false;
    try {
      yield* body;
      ended = true;
    } finally {
      if (ended) onEnd();
      else this.destroy(); // half a body is still on its way: nobody can use this connection again
    }
  }
}

function isHangUp(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET');
}
