/** What `run` and `create` end with when the daemon says no: docker's 125, 126 and 127, and its hint. */
import { ApiError } from '../../client/api-error.ts';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import { ExitError } from '../exit-error.ts';

const notFound = [
  'executable file not found',
  'no such file or directory',
  'system cannot find the file specified',
];
const notExecutable = ['permission denied', 'is a directory', 'exec format error'];

/** 127: the command is not in the image; 126: it cannot be executed; 125: everything else. */
export function startFailureCode(error: unknown): number {
  const message = messageOf(error).toLowerCase();
  if (!(error instanceof ApiError)) return 125;
  if (notFound.some((part) => message.includes(part))) return 127;
  return notExecutable.some((part) => message.includes(part)) ? 126 : 125;
}

export function asExitError(error: unknown, verb: string, exitCode: number): unknown {
  if (error instanceof ExitError || !(error instanceof EngineError)) return error;
  const prefix = error instanceof ApiError ? 'Error response from daemon: ' : '';
  const hint = `Run 'dvm ${verb} --help' for more information`;
  return new ExitError(exitCode, `dvm: ${prefix}${error.message}\n\n${hint}`, { cause: error });
}
