/** How often and how soon a registry is asked again. */
import { setTimeout as delay } from 'node:timers/promises';

export interface RetryPolicy {
  /** In a row without a byte of progress. */
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
}
export const defaultRetryPolicy: RetryPolicy = { attempts: 5, firstDelayMs: 500, longestDelayMs: 30_000 };

export function isRetryableStatus(status: number): boolean {
  return (
    status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504
  );
}

/** Waits before attempt number `attempt` (1 is the first repetition); `retryAfter` is the HTTP header. */
export async function waitBeforeRetry(
  policy: RetryPolicy,
  attempt: number,
  retryAfter: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const backoff = policy.firstDelayMs * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
  const asked = /^[0-9]{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) * 1000 : 0;
  try {
    await delay(Math.min(Math.max(backoff, asked), policy.longestDelayMs), undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
