/** A registry that serves what it is given without checking it, as a broken or hostile one would. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sha256, type RegistryImage } from './crafted-image.ts';

export interface LyingRegistry extends AsyncDisposable {
  /** host:port */
  readonly address: string;
  /** What was asked for so far: "GET /v2/…". */
  readonly requests: readonly string[];
}

/**
 * Serves every image under its name, tag `latest`. `tamper` may answer in the registry's place: it returns true when it
 * has (or will).
 */
export async function startLyingRegistry(
  images: Readonly<Record<string, RegistryImage>>,
  tamper: (path: string, response: ServerResponse) => boolean = () => false,
): Promise<LyingRegistry> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(`${request.method ?? ''} ${path}`);
    if (tamper(path, response)) return;
    const [, name = '', kind = '', which = ''] = /^\/v2\/(.*)\/(manifests|blobs)\/([^/]*)$/.exec(path) ?? [];
    const image = images[name];
    const manifest = kind === 'manifests' ? image?.manifest : undefined;
    const body = manifest ?? image?.blobs.get(which);
    if (path === '/v2/') response.end('{}');
    else if (body === undefined) notFound(response);
    else
      response
        .writeHead(200, {
          'content-type': manifest
            ? 'application/vnd.oci.image.manifest.v1+json'
            : 'application/octet-stream',
          'content-length': body.length,
          'docker-content-digest': manifest ? sha256(manifest) : which,
        })
        .end(request.method === 'HEAD' ? undefined : body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function notFound(response: ServerResponse): void {
  response
    .writeHead(404, { 'content-type': 'application/json' })
    .end(JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN', message: 'not known here' }] }));
}
