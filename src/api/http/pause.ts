import { setTimeout } from 'node:timers/promises';
import { EngineError } from '../../errors/engine-error.ts';

/** Waits; rejects (`canceled`) as soon as the signal is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(milliseconds, undefined, { signal });
  } catch (error) {
    throw new EngineError('canceled', 'the client closed the connection', { cause: error });
  }
}
