/** Docker's ways of writing values into query strings. */
import * as z from 'zod';
import { EngineError } from '../../errors/engine-error.ts';

/** True unless it is empty, 0, no, false or none. */
export function parseBoolean(text: string): boolean {
  return !['', '0', 'no', 'false', 'none'].includes(text.trim().toLowerCase());
}

/** A flag that is off when it is not given. */
export const flag = z
  .string()
  .optional()
  .transform((text) => (text === undefined ? false : parseBoolean(text)));

/** A flag that is on when it is not given. */
export const flagOn = z
  .string()
  .optional()
  .transform((text) => (text === undefined || text === '' ? true : parseBoolean(text)));

/** Undefined when it is not given or empty. */
export const text = z
  .string()
  .optional()
  .transform((value) => (value === '' ? undefined : value));

export const wholeNumber = z
  .string()
  .regex(/^-?\d{1,15}$/, 'not a whole number')
  .or(z.literal(''))
  .optional()
  .transform((value) => (value === undefined || value === '' ? undefined : Number(value)));

/** A value that may stand in the query several times. */
export const textList = z
  .union([z.string(), z.array(z.string())])
  .optional()
  .transform((value) => (value === undefined ? [] : typeof value === 'string' ? [value] : value));

/** Seconds since the epoch with an optional fraction ("1700000000.000000001"), as nanoseconds; 0 and empty are none. */
export const timestampNs = z
  .string()
  .optional()
  .transform((value, context) => {
    if (value === undefined || value === '' || value === '0') return undefined;
    const match = /^(-?\d{1,12})(?:\.(\d{1,9})\d*)?$/.exec(value);
    const dateMs = match === null ? Date.parse(value) : Number.NaN;
    if (match === null && Number.isNaN(dateMs)) {
      context.addIssue(`"${value}" is not a time: seconds since the epoch or RFC 3339`);
      return z.NEVER;
    }
    if (match === null) return BigInt(dateMs) * 1_000_000n;
    return BigInt(match[1] ?? '0') * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
  });

const filterValues = z.union([
  z.array(z.string()),
  // Before 1.22, and in Docker's own client to this day: {"label": {"a=b": true}}
  z.record(z.string(), z.boolean()).transform((set) => Object.keys(set).filter((key) => set[key])),
]);
const filtersSchema = z.record(z.string(), filterValues);

export type Filters = Readonly<Record<string, readonly string[]>>;

/** The `filters` parameter: JSON; a filter that is not in `known` is refused by name. */
export function filters(known: readonly string[]) {
  return z
    .string()
    .optional()
    .transform((value, context): Filters => {
      if (value === undefined || value === '') return {};
      const parsed = filtersSchema.safeParse(parseJson(value));
      if (!parsed.success) {
        context.addIssue('not a JSON object of filters');
        return z.NEVER;
      }
      for (const name of Object.keys(parsed.data))
        if (!known.includes(name)) throw new EngineError('invalid_argument', `invalid filter '${name}'`);
      return parsed.data;
    });
}

/** Undefined is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A filter that holds one boolean: {"dangling": ["true"]}. */
export function booleanFilter(values: readonly string[] | undefined, name: string): boolean | undefined {
  if (values === undefined || values.length === 0) return undefined;
  const answers = new Set(values.map((value) => booleanWords.get(value.toLowerCase())));
  const [answer] = answers;
  if (answers.size !== 1 || answer === undefined)
    throw new EngineError('invalid_argument', `invalid filter '${name}=[${values.join(' ')}]'`);
  return answer;
}

const booleanWords: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);
