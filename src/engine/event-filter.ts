/** The filters of `events`: alternatives within a key, all keys have to match. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineEvent } from './model/container.ts';

type Filters = Readonly<Record<string, readonly string[]>>;
type Predicate = (event: EngineEvent, value: string) => boolean;

const predicates: Readonly<Record<string, Predicate>> = {
  type: (event, value) => event.type === value,
  event: (event, value) => event.action === value || event.action.split(':')[0] === value,
  container: (event, value) =>
    event.type === 'container' && (event.id.startsWith(value) || event.attributes['name'] === value),
  image: (event, value) => {
    const name = event.type === 'image' ? event.attributes['name'] : event.attributes['image'];
    return event.id === value || name === value || name?.replace(/:[^/]*$/, '') === value;
  },
  label: (event, value) => {
    const [key, ...rest] = value.split('=');
    const actual = event.attributes[key ?? ''];
    return actual !== undefined && (rest.length === 0 || actual === rest.join('='));
  },
  scope: (_event, value) => value === 'local',
  daemon: (event) => event.type === 'daemon',
};

/** Throws `invalid_argument` for a filter that does not exist. */
export function parseEventFilters(filters: Filters): Filters {
  for (const key of Object.keys(filters)) {
    if (!(key in predicates)) throw new EngineError('invalid_argument', `invalid filter '${key}'`);
  }
  return filters;
}

export function matchesEvent(filters: Filters, event: EngineEvent): boolean {
  return Object.entries(filters).every(
    ([key, values]) =>
      values.length === 0 || values.some((value) => predicates[key]?.(event, value) === true),
  );
}
