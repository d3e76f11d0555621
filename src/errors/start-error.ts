import { EngineError } from './engine-error.ts';
import type { ErrorCode } from './engine-error.ts';

/**
 * A process that could not be started for a reason of the image's or the command's own: 127 when the command does not
 * exist, 126 when it cannot be executed. Whoever waits for the process is told this exit code.
 */
export class StartError extends EngineError {
  readonly exitCode: 126 | 127;
  constructor(exitCode: 126 | 127, code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, message, options);
    this.name = 'StartError';
    this.exitCode = exitCode;
  }
}
