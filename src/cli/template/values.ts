/** The values a template sees, and how Go would print and judge them. */

/** Missing from a map: prints as <no value>. */
export const noValue: unique symbol = Symbol('no value');

/** A row of a table or another thing with named answers; some take arguments (`.Label "key"`). */
export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** text/template's truth: the zero value of every type is false. */
export function isTrue(value: unknown): boolean {
  if (value === noValue || value === null || value === undefined) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (isFields(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** As %v prints it. */
export function printValue(value: unknown): string {
  if (value === noValue) return '<no value>';
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(printValue).join(' ')}]`;
  if (isFields(value)) {
    const entries = Object.keys(value).toSorted();
    return `map[${entries.map((key) => `${key}:${printValue(value[key])}`).join(' ')}]`;
  }
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  return typeof value === 'string' ? value : `<${typeof value}>`;
}

/** As the template's `json` prints it: compact. */
export function toJson(value: unknown): string {
  return value === noValue || value === undefined ? 'null' : JSON.stringify(value);
}
