/** DVM's own API as routes: `/dvm/v1/…`. Fields that it does not know are refused. */
import * as z from 'zod';
import type { FastifyError } from 'fastify';
import { EngineError, errorCodeOf, messageOf } from '../../errors/engine-error.ts';
import type { ErrorCode } from '../../errors/engine-error.ts';
import { clientGone } from '../http/request-signal.ts';
import type { ZodFastify } from '../http/api-server.ts';
import { basePath, openApiDocument } from './openapi.ts';
import { operations } from './operations.ts';
import type { DvmBackend } from './operations.ts';
import type { DvmError } from './schemas.ts';

const httpStatusOf = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 409,
  resource_exhausted: 507,
  unavailable: 503,
  deadline_exceeded: 504,
  canceled: 499,
  unimplemented: 501,
  data_loss: 500,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

export function registerDvmApi(app: ZodFastify, backend: DvmBackend, version: string): void {
  void app.register(
    (routes: ZodFastify, _options, done) => {
      routes.setErrorHandler((error: FastifyError | EngineError, request, reply) => {
        const own = !(error instanceof EngineError) && 'statusCode' in error ? error.statusCode : undefined;
        const code = own !== undefined && own < 500 ? 'invalid_argument' : errorCodeOf(error);
        if (code === 'internal') request.log.error({ err: error, url: request.url }, 'request failed');
        const body: DvmError = { code, message: messageOf(error) };
        void reply.code(own ?? httpStatusOf[code]).send(body);
      });
      routes.setNotFoundHandler((request) => {
        throw new EngineError(
          'not_found',
          `there is no ${request.method} ${request.url}: see ${basePath}/openapi.json`,
        );
      });
      for (const operation of Object.values(operations)) {
        routes.route({
          method: operation.method,
          url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
          schema: { querystring: z.strictObject({}) },
          handler: (request, reply) => operation.run(backend, request.params, clientGone(reply)),
        });
      }
      routes.get('/openapi.json', () => openApiDocument(version));
      done();
    },
    { prefix: basePath },
  );
}
