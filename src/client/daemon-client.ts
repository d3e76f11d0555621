/** The daemon's HTTP API, over as few connections as there are exchanges at once. */
import type { Socket } from 'node:net';
import { EngineError } from '../errors/engine-error.ts';
import { ApiError } from './api-error.ts';
import type { ByteQueue } from './byte-queue.ts';
import type { Endpoint } from './endpoint.ts';
import { HttpConnection } from './http-connection.ts';
import type { HttpRequest, HttpResponse } from './http-connection.ts';
import { splitLines } from './json-lines.ts';

/** The version of Docker's API whose words this client uses. */
export const dockerApiVersion = '1.51';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, with `contentType`. */
  readonly body?: AsyncIterable<Uint8Array>;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

/** A connection that stopped being HTTP. Ending `socket` tells the daemon that there is no more input. */
export interface HijackedStream {
  readonly socket: Socket;
  readonly bytes: ByteQueue;
  /** application/vnd.docker.raw-stream or …multiplexed-stream; '' when the daemon did not say. */
  readonly contentType: string;
}

export interface DaemonClientOptions {
  /** Called once when nobody listens on the socket; when it resolves the connection is tried again. */
  readonly startDaemon?: (cause: Error) => Promise<void>;
}

const maxJsonBytes = 256 * 1024 * 1024;

export class DaemonClient {
  readonly endpoint: Endpoint;
  readonly #startDaemon: ((cause: Error) => Promise<void>) | undefined;
  readonly #idle: HttpConnection[] = [];
  readonly #all = new Set<HttpConnection>();
  #starting: Promise<void> | undefined;

  constructor(endpoint: Endpoint, options: DaemonClientOptions = {}) {
    this.endpoint = endpoint;
    this.#startDaemon = options.startDaemon;
  }

  /** The answer, whatever its body; throws ApiError for a status of 400 or more. The body must be read or `return`ed. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<HttpResponse> {
    const connection = await this.#take();
    const abort = () => connection.destroy();
    options.signal?.addEventListener('abort', abort, { once: true });
    let response: HttpResponse;
    try {
      options.signal?.throwIfAborted();
      response = await connection.exchange(requestFor(method, path, options), () =>
        this.#release(connection),
      );
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason as Error;
      throw error;
    }
    if (response.status >= 400)
      throw ApiError.from(response.status, (await collect(response.body)).toString());
    return response;
  }

  /** The answer's JSON. Its shape is the daemon's documented one: both are built from the same checkout. */
  async json<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const response = await this.call(method, path, options);
    const text = (await collect(response.body)).toString();
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new EngineError('internal', `the daemon's answer to ${method} ${path} is not JSON`, { cause });
    }
  }

  /** For answers without a body that matters. */
  async send(method: string, path: string, options: CallOptions = {}): Promise<number> {
    const response = await this.call(method, path, options);
    await collect(response.body);
    return response.status;
  }

  /** A stream of JSON values, one a line. */
  async *jsonLines<T>(method: string, path: string, options: CallOptions = {}): AsyncGenerator<T, void> {
    const response = await this.call(method, path, options);
    for await (const line of splitLines(response.body)) {
      if (line.trim() !== '') yield JSON.parse(line) as T;
    }
  }

  /** Docker's attach and exec: the connection becomes the process's streams. */
  async hijack(method: string, path: string, options: CallOptions = {}): Promise<HijackedStream> {
    const connection = await this.#take();
    const headers = { Connection: 'Upgrade', Upgrade: 'tcp', ...options.headers };
    const response = await connection.upgrade(requestFor(method, path, { ...options, headers }));
    if (response.status >= 400) {
      const body = await collect(response.body);
      throw ApiError.from(response.status, body.toString());
    }
    if (response.status !== 101 && response.status !== 200) {
      throw new EngineError(
        'internal',
        `the daemon answered ${method} ${path} with ${response.status}, not 101`,
      );
    }
    const contentType = response.headers.get('content-type') ?? '';
    return { socket: connection.socket, bytes: connection.bytes, contentType };
  }

  /** Drops every connection; calls under way fail. */
  close(): void {
    for (const connection of this.#all) connection.destroy();
  }

  async #take(): Promise<HttpConnection> {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isOpen) return connection;
    }
    return await this.#open();
  }

  #release(connection: HttpConnection): void {
    if (connection.isOpen) this.#idle.push(connection);
  }

  async #open(): Promise<HttpConnection> {
    let connection: HttpConnection;
    try {
      connection = await HttpConnection.open(this.endpoint);
    } catch (cause) {
      if (!(cause instanceof Error) || this.#startDaemon === undefined || !isNobodyListening(cause)) {
        throw unreachable(this.endpoint, cause);
      }
      this.#starting ??= this.#startDaemon(cause);
      await this.#starting;
      connection = await HttpConnection.open(this.endpoint).catch((again: unknown) => {
        throw unreachable(this.endpoint, again);
      });
    }
    this.#all.add(connection);
    connection.socket.once('close', () => this.#all.delete(connection));
    return connection;
  }
}

/** Whether a connection failed because no daemon has the socket open. */
export function isNobodyListening(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
  );
}

function unreachable(endpoint: Endpoint, cause: unknown): EngineError {
  const where = `unix://${endpoint.socketPath}`;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'EACCES' || code === 'EPERM') {
    return new EngineError(
      'permission_denied',
      `permission denied on the DVM daemon's socket ${where}: join the group dvm (sudo usermod -aG dvm $USER, then log in again) or use sudo`,
      { cause },
    );
  }
  if (isNobodyListening(cause)) {
    return new EngineError(
      'unavailable',
      `cannot connect to the DVM daemon at ${where}: is it running? Start it with "systemctl start dvm", or run dvmd as root`,
      { cause },
    );
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  return new EngineError('unavailable', `cannot connect to the DVM daemon at ${where}: ${why}`, { cause });
}

function requestFor(method: string, path: string, options: CallOptions): HttpRequest {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined)
      query.set(name, typeof value === 'boolean' ? (value ? '1' : '0') : String(value));
  }
  const prefix = path.startsWith('/dvm/') ? '' : `/v${dockerApiVersion}`;
  const target = `${prefix}${path}${query.size > 0 ? `?${query.toString()}` : ''}`;
  if (options.body !== undefined) {
    const type = options.contentType ?? 'application/x-tar';
    return { method, target, headers: { ...options.headers, 'Content-Type': type }, body: options.body };
  }
  if (options.json !== undefined) {
    const headers = { ...options.headers, 'Content-Type': 'application/json' };
    return { method, target, headers, body: Buffer.from(JSON.stringify(options.json)) };
  }
  const empty = method === 'POST' || method === 'PUT' ? { body: Buffer.alloc(0) } : {};
  return { method, target, headers: options.headers ?? {}, ...empty };
}

async function collect(body: AsyncGenerator<Buffer, void>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxJsonBytes) throw new EngineError('internal', "the daemon's answer is larger than 256 MiB");
  }
  return Buffer.concat(chunks);
}
