/** A daemon that is played: it answers as it is told, and remembers what it was asked. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SeenRequest {
  readonly method: string;
  /** Without the version prefix. */
  readonly path: string;
  readonly query: Readonly<Record<string, readonly string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: unknown;
  /** Takes over after the head: for streams and for answers that come late. */
  readonly stream?: (response: ServerResponse) => Promise<void> | void;
}

/** "METHOD path" with * for a part of the path; the later one wins. */
export type Routes = Readonly<Record<string, (request: SeenRequest) => Answer | Promise<Answer>>>;
/** Plays a process on a hijacked connection. */
export type Hijacks = Readonly<
  Record<string, (socket: Duplex, request: SeenRequest) => Promise<void> | void>
>;

export class FakeDaemon implements AsyncDisposable {
  readonly socketPath: string;
  readonly requests: SeenRequest[] = [];
  readonly #directory: string;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  #routes: Routes;
  #hijacks: Hijacks;

  private constructor(directory: string, routes: Routes, hijacks: Hijacks) {
    this.#directory = directory;
    this.socketPath = join(directory, 'dvm.sock');
    this.#routes = routes;
    this.#hijacks = hijacks;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('upgrade', (request, socket, head) => void this.#hijack(request, socket, head));
  }

  static async start(routes: Routes = {}, hijacks: Hijacks = {}): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(await mkdtemp(join(tmpdir(), 'dvm-fake-')), routes, hijacks);
    daemon.#server.listen(daemon.socketPath);
    await once(daemon.#server, 'listening');
    return daemon;
  }

  /** Adds routes, or replaces them. */
  on(routes: Routes, hijacks: Hijacks = {}): void {
    this.#routes = { ...this.#routes, ...routes };
    this.#hijacks = { ...this.#hijacks, ...hijacks };
  }

  asked(): readonly string[] {
    return this.requests.map(({ method, path }) => `${method} ${path}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await this.#remember(message);
    const answer = await this.#find(this.#routes, request)?.(request);
    if (answer === undefined) {
      response
        .writeHead(404)
        .end(JSON.stringify({ message: `no such route: ${request.method} ${request.path}` }));
      return;
    }
    const json =
      answer.body !== undefined && typeof answer.body !== 'string' && !Buffer.isBuffer(answer.body);
    const type = json ? { 'Content-Type': 'application/json' } : {};
    response.writeHead(
      answer.status ?? (answer.body === undefined && answer.stream === undefined ? 204 : 200),
      {
        ...type,
        ...answer.headers,
      },
    );
    if (answer.stream !== undefined) {
      response.flushHeaders();
      await answer.stream(response);
      return;
    }
    response.end(json ? JSON.stringify(answer.body) : answer.body);
  }

  async #hijack(message: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => undefined); // the client's hanging up is not the test's matter
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (head.length > 0) socket.unshift(head);
    const request = seen(message, body);
    this.requests.push(request);
    const play = this.#find(this.#hijacks, request);
    if (play === undefined) {
      socket.end(
        'HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n{"message":"no hijacking"}'.replace(
          '25',
          '26',
        ),
      );
      return;
    }
    socket.write(
      'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
    );
    await play(socket, request);
  }

  async #remember(message: IncomingMessage): Promise<SeenRequest> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const request = seen(message, Buffer.concat(chunks));
    this.requests.push(request);
    return request;
  }

  #find<Handler>(
    table: Readonly<Record<string, Handler>>,
    { method, path }: SeenRequest,
  ): Handler | undefined {
    const found = Object.keys(table).findLast((pattern) => {
      const [wanted = '', shape = ''] = pattern.split(' ');
      const parts = shape.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
      return wanted === method && new RegExp(`^${parts.join('.+')}$`).test(path);
    });
    return found === undefined ? undefined : table[found];
  }
}

function seen(message: IncomingMessage, body: Buffer): SeenRequest {
  const url = new URL(message.url ?? '/', 'http://dvm');
  const query: Record<string, string[]> = {};
  for (const [name, value] of url.searchParams) (query[name] ??= []).push(value);
  return {
    method: message.method ?? '',
    path: decodeURIComponent(url.pathname.replace(/^\/v\d+\.\d+/, '')),
    query,
    headers: Object.fromEntries(
      Object.entries(message.headers).map(([name, value]) => [name, String(value)]),
    ),
    body,
  };
}

/** One of Docker's frames. */
export function frame(stream: 1 | 2 | 3, data: string | Uint8Array): Buffer {
  const bytes = Buffer.from(data);
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}
