/** Reads what a container wrote. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { LogEntry, LogQuery } from './model/log.ts';

/** Throws at once, not at the first `next`, when there is no such container or no log. Follows only a running one. */
export function readLogs(
  context: EngineContext,
  nameOrId: string,
  query: LogQuery,
  signal: AbortSignal,
): AsyncIterable<readonly LogEntry[]> {
  const container = context.registry.get(nameOrId);
  if (container.log === undefined) {
    throw new EngineError(
      'unimplemented',
      `container ${nameOrId} has no log: its logging driver is "${container.record.spec.log.driver}"`,
    );
  }
  return container.log.readLines({ ...query, follow: query.follow && container.isRunning }, signal);
}

/** One at a time. */
export async function* flatten(batches: AsyncIterable<readonly LogEntry[]>): AsyncGenerator<LogEntry> {
  for await (const batch of batches) yield* batch;
}
