/** `--filter key=value`, given many times, as the API takes it. */
import type { FlagSpec } from './flag-spec.ts';

function checkFilter(text: string): void {
  if (!text.includes('=')) throw new Error(`invalid filter '${text}': a filter is key=value`);
}

const common = { name: 'filter', kind: 'list', value: 'filter', check: checkFilter } as const;

export const filterFlag: FlagSpec = {
  ...common,
  short: 'f',
  help: 'Filter output based on conditions provided',
};

/** Where -f is --force. */
export const pruneFilterFlag: FlagSpec = {
  ...common,
  help: 'Provide filter values (e.g. "until=<timestamp>")',
};

/** JSON of {"key": {"value": true}}; undefined without filters. */
export function filtersQuery(filters: readonly string[]): string | undefined {
  if (filters.length === 0) return undefined;
  const grouped: Record<string, Record<string, true>> = {};
  for (const filter of filters) {
    const equals = filter.indexOf('=');
    const name = filter.slice(0, equals).trim().toLowerCase();
    const value = filter.slice(equals + 1).trim();
    grouped[name] = { ...grouped[name], [value]: true };
  }
  return JSON.stringify(grouped);
}
