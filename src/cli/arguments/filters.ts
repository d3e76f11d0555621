/** `--filter key=value`, given many times, as the API takes it. */
import { EngineError } from '../../errors/engine-error.ts';

/** JSON of {"key": {"value": true}}; undefined without filters. */
export function filtersQuery(filters: readonly string[]): string | undefined {
  if (filters.length === 0) return undefined;
  const grouped: Record<string, Record<string, true>> = {};
  for (const filter of filters) {
    const equals = filter.indexOf('=');
    if (equals < 0)
      throw new EngineError('invalid_argument', `invalid filter '${filter}': a filter is key=value`);
    const name = filter.slice(0, equals).trim().toLowerCase();
    const value = filter.slice(equals + 1).trim();
    grouped[name] = { ...grouped[name], [value]: true };
  }
  return JSON.stringify(grouped);
}
