/** The Docker Engine API, 1.24 to 1.51, as routes on the daemon's server. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Engine } from '../../engine/service.ts';
import type { ImageStore } from '../../engine/ports/images.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { ZodFastify } from '../http/api-server.ts';
import './api-minor.ts';
import { apiVersion, minorVersionOf, withoutVersion } from './api-version.ts';
import { answerError } from './error-status.ts';
import { attachRoutes } from './routes/attach.ts';
import { containerRoutes } from './routes/containers.ts';
import { eventsRoutes } from './routes/events.ts';
import { execRoutes } from './routes/exec.ts';
import { imageRoutes } from './routes/images.ts';
import { imageTransferRoutes } from './routes/image-transfer.ts';
import { logsRoutes } from './routes/logs.ts';
import { networkAndVolumeRoutes } from './routes/networks-and-volumes.ts';
import { refusedRoutes } from './routes/refused.ts';
import { statsRoutes } from './routes/stats.ts';
import { systemRoutes } from './routes/system.ts';
import type { HostFacts } from './routes/system.ts';

export interface DockerApiBackend {
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly host: HostFacts;
  /** Aborted when the daemon stops. */
  readonly shutdown: AbortSignal;
}

const routers = [
  systemRoutes,
  eventsRoutes,
  containerRoutes,
  attachRoutes,
  execRoutes,
  logsRoutes,
  statsRoutes,
  imageRoutes,
  imageTransferRoutes,
  networkAndVolumeRoutes,
  refusedRoutes,
] as const;

/** The requests that take their connection over. */
const upgradable = /^\/(?:containers\/[^/?]+\/attach|exec\/[^/?]+\/start)(?:\?|$)/;

export function mayUpgrade(method: string, url: string): boolean {
  return method === 'POST' && upgradable.test(withoutVersion(url));
}

/** Everything that is not under another API's prefix is Docker's, refusals of unknown paths included. */
export function registerDockerApi(app: ZodFastify, backend: DockerApiBackend): void {
  app.decorateRequest('apiMinor', 0);
  app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done) => {
    void reply.headers({
      'Api-Version': apiVersion,
      'Docker-Experimental': 'false',
      Ostype: 'linux',
      Server: `DVM/${backend.host.version} (linux)`,
    });
    if (backend.shutdown.aborted)
      throw new EngineError('unavailable', 'the daemon is stopping: try again in a moment');
    request.apiMinor = minorVersionOf(request.originalUrl);
    done();
  });
  // Docker's client reads an error only when its type is this, to the letter.
  app.addHook('onSend', (_request: FastifyRequest, reply: FastifyReply, payload, done) => {
    const type = reply.getHeader('content-type');
    if (typeof type === 'string' && type.startsWith('application/json'))
      reply.header('content-type', 'application/json');
    done(null, payload);
  });
  app.setErrorHandler(answerError);
  app.setNotFoundHandler(() => {
    throw new EngineError('not_found', 'page not found');
  });
  for (const register of routers) register(app, backend);
}
