/** What it means that the data directory cannot be written. */
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { isErrno } from '../system/errno.ts';

export function writeFailure(what: string, cause: unknown): EngineError {
  if (cause instanceof EngineError) return cause;
  if (isErrno(cause, 'ENOSPC', 'EDQUOT')) {
    return new EngineError(
      'resource_exhausted',
      `cannot write ${what}: no space left on the data directory's file system; remove images (dvm image prune) or move --data-dir`,
      { cause },
    );
  }
  return new EngineError('internal', `cannot write ${what}: ${messageOf(cause)}`, { cause });
}
