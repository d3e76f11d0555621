/** Ends the command with a code of its own; `message` is shown as it is (nothing for ''). */
export class ExitError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message = '', options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ExitError';
    this.exitCode = exitCode;
  }
}
