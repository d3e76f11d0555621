/** How an error is shown. */
import { ApiError } from '../../client/api-error.ts';
import { messageOf } from '../../errors/engine-error.ts';

/** Marks what the daemon said as its word. */
export function describeError(error: unknown): string {
  return error instanceof ApiError ? `Error response from daemon: ${error.message}` : messageOf(error);
}
