/** A registry in memory that can be told to ask for credentials, to break, to redirect, and to lie. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { sha256, type RegistryImage } from '../e2e/crafted-image.ts';

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}
/** Answers in the registry's place: true when it has, or will. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean;

export class FakeRegistry implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  readonly #server;
  readonly #manifests = new Map<string, { type: string; bytes: Buffer }>();
  readonly #blobs = new Map<string, Buffer>();
  /** Whether `Range` is honoured. */
  ranges = true;
  intercept: Intercept = () => false;

  private constructor(tls: ServerOptions | undefined) {
    const handle = (request: IncomingMessage, response: ServerResponse) => this.#handle(request, response);
    this.#server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle);
  }

  static async start(tls?: ServerOptions): Promise<FakeRegistry> {
    const registry = new FakeRegistry(tls);
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  get address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `127.0.0.1:${port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  addImage(name: string, tag: string, image: RegistryImage, type = ociManifest): string {
    for (const [digest, blob] of image.blobs) this.#blobs.set(digest, blob);
    return this.addManifest(name, tag, image.manifest, type);
  }

  addManifest(name: string, tag: string, manifest: Buffer | object, type: string): string {
    const bytes = Buffer.isBuffer(manifest) ? manifest : Buffer.from(JSON.stringify(manifest));
    for (const key of [tag, sha256(bytes)]) this.#manifests.set(`${name}/${key}`, { type, bytes });
    return sha256(bytes);
  }

  addBlob(digest: string, blob: Buffer): void {
    this.#blobs.set(digest, blob);
  }

  removeBlob(digest: string): void {
    this.#blobs.delete(digest);
  }

  blobRequests(digest?: string): readonly SeenRequest[] {
    return this.requests.filter(
      ({ path }) => path.includes('/blobs/') && (digest === undefined || path.endsWith(digest)),
    );
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    const { authorization, range } = request.headers;
    this.requests.push({ method: request.method ?? '', path, authorization, range });
    if (this.intercept(request, response)) return;
    const [, name = '', kind = '', which = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)$/.exec(path) ?? [];
    const manifest = kind === 'manifests' ? this.#manifests.get(`${name}/${which}`) : undefined;
    const blob = kind === 'blobs' ? this.#blobs.get(which) : undefined;
    if (manifest !== undefined)
      response.writeHead(200, { 'content-type': manifest.type }).end(manifest.bytes);
    else if (blob !== undefined) this.sendBlob(response, blob, range);
    else sendError(response, 404, kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN', 'manifest unknown');
  }

  sendBlob(response: ServerResponse, blob: Buffer, range: string | undefined): void {
    const start = this.ranges ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0;
    const headers = { 'content-length': blob.length - start };
    if (start === 0) response.writeHead(200, headers);
    else
      response.writeHead(206, {
        ...headers,
        'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}`,
      });
    response.end(blob.subarray(start));
  }
}

export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify({ errors: [{ code, message }] }));
}
