/**
 * What went wrong, in containerd's taxonomy. Each API maps every code to a status of its own with
 * `satisfies Record<ErrorCode, …>`, so a code without a mapping does not compile.
 */
export const errorCodes = [
  'invalid_argument', // the request can never succeed as it stands
  'unauthenticated', // credentials are missing or wrong
  'permission_denied', // credentials are fine, the right is missing
  'not_found', // the thing named does not exist
  'already_exists', // the name is taken
  'failed_precondition', // the thing is in a state that does not allow it (running, paused, in use)
  'resource_exhausted', // disk, memory, a quota or a cap is full
  'unavailable', // a registry, a VMM or the guest does not answer; trying again may help
  'deadline_exceeded', // it took longer than was allowed
  'canceled', // the caller gave up
  'unimplemented', // DVM does not do this (yet); the message names the flag or field
  'data_loss', // bytes are not what their digest says
  'internal', // a defect of DVM's
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** The one error class that crosses a folder. `message` says what failed, on what, why, and what to do. */
export class EngineError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}

/** The code of any thrown value; what is not an EngineError is a defect. */
export function errorCodeOf(thrown: unknown): ErrorCode {
  return thrown instanceof EngineError ? thrown.code : 'internal';
}

/** A human's line for any thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
