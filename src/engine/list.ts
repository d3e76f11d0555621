/** Lists containers. */
import { errorCodeOf } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { ContainerView } from './model/container.ts';
import type { FilterFacts } from './list-filter.ts';
import { selectContainers } from './list-filter.ts';
import type { ContainerFilter } from './service.ts';

export function listContainers(context: EngineContext, query: ContainerFilter): readonly ContainerView[] {
  return selectContainers(context.registry.all(), query, filterFacts(context)).map((container) =>
    container.view(),
  );
}

export function filterFacts(context: EngineContext): FilterFacts {
  return {
    get: (nameOrId) => context.registry.get(nameOrId),
    imageId: (nameOrId) => {
      try {
        return context.images.get(nameOrId).id;
      } catch (error) {
        if (errorCodeOf(error) === 'not_found' || errorCodeOf(error) === 'invalid_argument') return undefined;
        throw error;
      }
    },
  };
}
