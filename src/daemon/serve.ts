/** The APIs on the daemon's socket. */
import type { Logger } from 'pino';
import { withoutVersion } from '../api/docker/api-version.ts';
import { mayUpgrade, registerDockerApi } from '../api/docker/docker-api.ts';
import type { DockerApiBackend } from '../api/docker/docker-api.ts';
import { registerDvmApi } from '../api/dvm/dvm-api.ts';
import type { DvmBackend } from '../api/dvm/operations.ts';
import { createApiServer } from '../api/http/api-server.ts';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { permitSocket } from './socket.ts';
import { dvmVersion } from './version.ts';

export interface ServeOptions {
  readonly socketPath: string;
  readonly group: string;
  readonly logger: Logger;
  readonly docker: DockerApiBackend;
  readonly dvm: DvmBackend;
}

/** There is room for the socket. Resolves when clients can connect. Disposing it ends their connections and removes the socket. */
export async function serve(options: ServeOptions): Promise<AsyncDisposable> {
  const { socketPath, group, logger, docker, dvm } = options;
  // Of the server's own lines only the bad news is of interest.
  const quiet = logger.child({}, { level: logger.isLevelEnabled('warn') ? 'warn' : logger.level });
  const app = createApiServer({ logger: quiet, rewriteUrl: withoutVersion, mayUpgrade });
  registerDockerApi(app, docker);
  registerDvmApi(app, dvm, dvmVersion);
  try {
    await app.listen({ path: socketPath });
  } catch (error) {
    throw new EngineError('failed_precondition', `cannot listen on ${socketPath}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const who = permitSocket(socketPath, group);
  logger.info({ socket: socketPath, permitted: who }, 'serving the Docker API and DVM’s own');
  return { [Symbol.asyncDispose]: () => app.close() };
}
