/** An answer of the daemon's that says no. */
import { EngineError } from '../errors/engine-error.ts';
import type { ErrorCode } from '../errors/engine-error.ts';

const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  409: 'failed_precondition',
  416: 'invalid_argument',
  429: 'resource_exhausted',
  501: 'unimplemented',
  503: 'unavailable',
  504: 'deadline_exceeded',
  507: 'resource_exhausted',
};

/** `message` is the daemon's own, without a prefix. */
export class ApiError extends EngineError {
  readonly status: number;
  constructor(status: number, message: string) {
    super(codes[status] ?? 'internal', message);
    this.name = 'ApiError';
    this.status = status;
  }

  /** From a body `{"message": …}`, or whatever text came instead. */
  static from(status: number, body: string): ApiError {
    return new ApiError(
      status,
      messageIn(body) ?? `the daemon answered with status ${status} and no message`,
    );
  }
}

function messageIn(body: string): string | undefined {
  const text = body.trim();
  if (text === '') return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return text; // not JSON: a text for humans
  }
  const message =
    typeof parsed === 'object' && parsed !== null && 'message' in parsed ? parsed.message : undefined;
  return typeof message === 'string' && message !== '' ? message : text;
}
