/** The one place where an error becomes an HTTP status of the Docker API. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EngineError, errorCodeOf, messageOf } from '../../errors/engine-error.ts';
import type { ErrorCode } from '../../errors/engine-error.ts';
import { StartError } from '../../errors/start-error.ts';
import type { ErrorResponse } from './types.ts';

export const httpStatusOf = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 409,
  resource_exhausted: 507,
  unavailable: 503,
  deadline_exceeded: 504,
  canceled: 499, // nobody reads it: the client is gone
  unimplemented: 501,
  data_loss: 500,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** Answers with Docker's `{"message": …}`; a defect of ours is logged with its cause. */
export function answerError(
  error: FastifyError | EngineError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  // Fastify's own refusals (a body that is too large, a method that is not known) carry a status.
  const own = !(error instanceof EngineError) && 'statusCode' in error ? error.statusCode : undefined;
  const status = own ?? httpStatusOf[errorCodeOf(error)];
  if (status === 500)
    request.log.error({ err: error, method: request.method, url: request.url }, 'request failed');
  const body: ErrorResponse = { message: inDockersWords(error) };
  void reply.code(status).type('application/json').send(body);
}

/** Docker's client finds the exit codes 126 and 127 of `run` by these words in the message. */
export function inDockersWords(error: unknown): string {
  const message = messageOf(error);
  if (!(error instanceof StartError)) return message;
  const words = error.exitCode === 127 ? notFoundWords : notExecutableWords;
  return words.some((word) => message.includes(word)) ? message : `${message}: ${words[0]}`;
}

const notFoundWords = ['executable file not found in $PATH', 'no such file or directory'] as const;
const notExecutableWords = ['permission denied', 'is a directory'] as const;
