import { EngineError } from '../errors/engine-error.ts';
import type { ErrorCode as EngineErrorCode } from '../errors/engine-error.ts';
import { StartError } from '../errors/start-error.ts';
import type { ErrorCode, ErrorMessage } from '../guest-protocol/generated.ts';

const codes = {
  internal: 'internal',
  invalid: 'invalid_argument',
  notFound: 'not_found',
  exists: 'already_exists',
  commandNotFound: 'not_found',
  commandNotExecutable: 'permission_denied',
  userNotFound: 'invalid_argument',
  diskNotFound: 'unavailable',
  mountFailed: 'failed_precondition',
  noSpace: 'resource_exhausted',
  noMemory: 'resource_exhausted',
  notRunning: 'failed_precondition',
  unsupported: 'unimplemented',
  workdirNotUsable: 'invalid_argument',
} as const satisfies Record<ErrorCode, EngineErrorCode>;

/** The most of a guest's words that go on to a person or a log. */
const longestMessage = 1024;

/** What the agent answers instead of a reply, in the engine's terms. */
export function engineErrorOf(error: Pick<ErrorMessage, 'code' | 'message'>): EngineError {
  const message = printable(error.message);
  if (error.code === 'commandNotFound') return new StartError(127, codes[error.code], message);
  if (error.code === 'commandNotExecutable' || error.code === 'workdirNotUsable') {
    return new StartError(126, codes[error.code], message);
  }
  return new EngineError(codes[error.code], message);
}

/** A guest must not be able to write control sequences to somebody's terminal. */
function printable(text: string): string {
  return text.slice(0, longestMessage).replaceAll(/\p{C}/gu, '?');
}
