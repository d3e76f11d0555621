/** Removes every container that does not run. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { Container } from './container.ts';
import { containerTest } from './list-filter.ts';
import type { Filters } from './list-filter.ts';
import { filterFacts } from './list.ts';
import { removeContainer } from './remove.ts';
import { parseTimestamp } from './timestamp.ts';

const pruneKeys = new Set(['label', 'label!']);

export async function pruneContainers(
  context: EngineContext,
  filters: Filters,
): Promise<{ readonly ids: readonly string[]; readonly reclaimedBytes: number }> {
  const { until, ...others } = filters;
  const test = containerTest(others, pruneKeys, filterFacts(context));
  const createdBefore = createdBeforeTest(until ?? []);
  const ids: string[] = [];
  let reclaimedBytes = 0;
  for (const container of context.registry.all()) {
    if (container.isRunning || container.removing || !createdBefore(container) || !test(container)) continue;
    const bytes = await context.disks.usage(container.id);
    if (!(await tryRemove(context, container))) continue;
    ids.push(container.id);
    reclaimedBytes += bytes;
  }
  return { ids, reclaimedBytes };
}

/** False when it was started or removed meanwhile. */
async function tryRemove(context: EngineContext, container: Container): Promise<boolean> {
  try {
    await removeContainer(context, container.id, { force: false });
    return true;
  } catch (error) {
    if (error instanceof EngineError && (error.code === 'failed_precondition' || error.code === 'not_found'))
      return false;
    throw error;
  }
}

function createdBeforeTest(until: readonly string[]): (container: Container) => boolean {
  if (until.length === 0) return () => true;
  if (until.length > 1) throw new EngineError('invalid_argument', 'more than one until filter specified');
  const limit = parseTimestamp(until[0] ?? '', new Date()).getTime();
  return (container) => container.record.createdAt < limit;
}
