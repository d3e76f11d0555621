/** The Docker API over a fake engine, on a socket of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import pino from 'pino';
import { createApiServer } from '../../http/api-server.ts';
import { mayUpgrade, registerDockerApi } from '../docker-api.ts';
import { withoutVersion } from '../api-version.ts';
import { FakeEngine } from './fake-engine.ts';
import { FakeImages } from './fake-images.ts';

export interface ApiFixture extends AsyncDisposable {
  readonly socketPath: string;
  readonly engine: FakeEngine;
  readonly images: FakeImages;
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

export async function startApi(): Promise<ApiFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-api-'));
  const socketPath = join(directory, 'dvm.sock');
  const engine = new FakeEngine();
  const images = new FakeImages();
  const shutdown = new AbortController();
  const app = createApiServer({
    logger: pino({ level: process.env['DVM_TEST_LOG'] ?? 'silent' }),
    rewriteUrl: withoutVersion,
    mayUpgrade,
  });
  const host = { version: '0.1.0', operatingSystem: 'Debian', registryMirrors: [], insecureRegistries: [] };
  registerDockerApi(app, { engine, images, host, shutdown: shutdown.signal });
  await app.listen({ path: socketPath });
  return {
    socketPath,
    engine,
    images,
    call: (method, path, body, headers) => call(socketPath, method, path, body, headers),
    [Symbol.asyncDispose]: async () => {
      shutdown.abort();
      engine.killAll();
      await app.close();
      await rm(directory, { recursive: true });
    },
  };
}

function call(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const raw = Buffer.isBuffer(body);
    const payload = body === undefined ? undefined : raw ? body : JSON.stringify(body);
    const sent = request(
      {
        socketPath,
        method,
        path,
        headers: { ...(payload !== undefined && !raw && { 'Content-Type': 'application/json' }), ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('latin1');
          const isJson = response.headers['content-type']?.startsWith('application/json') === true;
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: isJson && text !== '' ? (JSON.parse(text.split('\n')[0] ?? '') as unknown) : undefined,
          });
        });
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(payload);
  });
}
