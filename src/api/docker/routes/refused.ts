/** What the Docker API has and DVM does not: refused by name, with the status that Docker's clients understand. */
import { EngineError } from '../../../errors/engine-error.ts';
import type { ErrorCode } from '../../../errors/engine-error.ts';
import type { ZodFastify } from '../../http/api-server.ts';

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

const notYet = (what: string) => ['unimplemented', `${what} is not supported yet`] as const;
const swarm = ['unavailable', 'This node is not a swarm manager: DVM has no swarm mode'] as const;
const plugins = ['unimplemented', 'DVM has no plugins'] as const;

const refused: readonly (readonly [Method | 'ANY', string, readonly [ErrorCode, string]])[] = [
  ['POST', '/auth', notYet('checking registry credentials (docker login)')],
  ['POST', '/build', notYet('building images')],
  ['POST', '/build/cancel', notYet('building images')],
  ['POST', '/commit', notYet('making an image of a container (commit)')],
  ['GET', '/containers/:id/attach/ws', notYet('attaching over a WebSocket')],
  ['GET', '/containers/:id/changes', notYet("listing a container's changes (diff)")],
  ['GET', '/containers/:id/export', notYet('exporting a container')],
  ['HEAD', '/containers/:id/archive', notYet('copying files from a container (cp)')],
  ['GET', '/containers/:id/archive', notYet('copying files from a container (cp)')],
  ['PUT', '/containers/:id/archive', notYet('copying files into a container (cp)')],
  ['POST', '/containers/:id/copy', notYet('copying files from a container (cp)')],
  ['GET', '/containers/:id/checkpoints', notYet('checkpointing')],
  ['POST', '/containers/:id/checkpoints', notYet('checkpointing')],
  ['DELETE', '/containers/:id/checkpoints/:checkpoint', notYet('checkpointing')],
  ['GET', '/distribution/*', notYet('asking a registry about an image (distribution)')],
  ['POST', '/grpc', notYet('BuildKit')],
  ['POST', '/session', notYet('BuildKit')],
  ['GET', '/images/get', notYet('saving images')],
  ['GET', '/images/search', notYet('searching registries')],
  ['POST', '/networks/create', notYet('making networks')],
  ['DELETE', '/networks/:id', notYet('removing networks')],
  ['POST', '/networks/:id/connect', notYet('connecting a container to a network')],
  ['POST', '/networks/:id/disconnect', notYet('disconnecting a container from a network')],
  ['POST', '/volumes/create', notYet('making volumes')],
  ['PUT', '/volumes/:id', notYet('updating volumes')],
  ['DELETE', '/volumes/:id', notYet('removing volumes')],
  ['GET', '/plugins/:id/json', ['not_found', 'plugin not found: DVM has no plugins']],
  ['GET', '/plugins/privileges', plugins],
  ['POST', '/plugins/*', plugins],
  ['DELETE', '/plugins/*', plugins],
  ...['/configs', '/nodes', '/secrets', '/services', '/swarm', '/tasks'].flatMap((path) => [
    ['ANY', path, swarm] as const,
    ['ANY', `${path}/*`, swarm] as const,
  ]),
];

export function refusedRoutes(app: ZodFastify): void {
  app.get('/plugins', () => []);
  for (const [method, url, [code, message]] of refused) {
    app.route({
      method: method === 'ANY' ? ['GET', 'POST', 'DELETE'] : method,
      url,
      handler: () => {
        throw new EngineError(code, message);
      },
    });
  }
}
