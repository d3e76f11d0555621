/** What a template can call: text/template's own functions and those that docker adds. */
import { sprintf } from './sprintf.ts';
import { TemplateError } from './template-error.ts';
import { isFields, isTrue, noValue, printValue, toJson } from './values.ts';

export type TemplateFunction = (...args: readonly unknown[]) => unknown;

function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw new TemplateError(
    `error calling ${name}: wrong type for value; expected string; got ${kindOf(value)}`,
  );
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'slice';
  if (isFields(value)) return 'map';
  return typeof value === 'number' ? 'int' : value === null ? 'nil' : typeof value;
}

function compare(name: string, test: (order: number) => boolean): TemplateFunction {
  return (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return test(left - right);
    if (typeof left === 'string' && typeof right === 'string')
      return test(left < right ? -1 : left > right ? 1 : 0);
    throw new TemplateError(`error calling ${name}: incompatible types for comparison`);
  };
}

function equal(left: unknown, right: unknown): boolean {
  const absent = (value: unknown) => value === null || value === undefined || value === noValue;
  return left === right || (absent(left) && absent(right));
}

function index(collection: unknown, ...keys: readonly unknown[]): unknown {
  let current = collection;
  for (const key of keys) {
    if (Array.isArray(current)) {
      const list: readonly unknown[] = current;
      if (typeof key !== 'number' || key < 0 || key >= list.length) {
        throw new TemplateError(`error calling index: index out of range: ${printValue(key)}`);
      }
      current = list[key];
    } else if (isFields(current)) {
      const name = printValue(key);
      // A missing key of a map of strings is the empty string in Go; other maps do not stand behind `index` in practice.
      current = Object.hasOwn(current, name) ? current[name] : '';
    } else if (current === null || current === noValue) {
      throw new TemplateError('error calling index: index of nil pointer');
    } else {
      throw new TemplateError(`error calling index: can't index item of type ${kindOf(current)}`);
    }
  }
  return current;
}

function slice(collection: unknown, from: unknown = 0, to?: unknown): unknown {
  if (typeof collection !== 'string' && !Array.isArray(collection)) {
    throw new TemplateError(`error calling slice: can't slice item of type ${kindOf(collection)}`);
  }
  const end = to ?? collection.length;
  if (
    typeof from !== 'number' ||
    typeof end !== 'number' ||
    from < 0 ||
    from > end ||
    end > collection.length
  ) {
    throw new TemplateError('error calling slice: index out of range');
  }
  return collection.slice(from, end);
}

function length(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isFields(value)) return Object.keys(value).length;
  throw new TemplateError(`error calling len: len of type ${kindOf(value)}`);
}

function join(items: unknown, separator: unknown): string {
  const glue = text(separator, 'join');
  if (items === null || items === noValue) return '';
  if (Array.isArray(items)) return items.map(printValue).join(glue);
  if (isFields(items)) return Object.values(items).map(printValue).toSorted().join(glue);
  throw new TemplateError(`error calling join: expected slice, got ${kindOf(items)}`);
}

/** Go's Sprint: a space between two values when neither is a string. */
function print(args: readonly unknown[]): string {
  return args.reduce<string>((printed, value, at) => {
    const spaced = at > 0 && typeof value !== 'string' && typeof args[at - 1] !== 'string';
    return `${printed}${spaced ? ' ' : ''}${printValue(value)}`;
  }, '');
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&#34;',
  "'": '&#39;',
};

export const templateFunctions: Readonly<Record<string, TemplateFunction>> = {
  not: (value) => !isTrue(value),
  eq: (left, ...rights) => rights.some((right) => equal(left, right)),
  ne: (left, right) => !equal(left, right),
  lt: compare('lt', (order) => order < 0),
  le: compare('le', (order) => order <= 0),
  gt: compare('gt', (order) => order > 0),
  ge: compare('ge', (order) => order >= 0),
  index,
  slice,
  len: length,
  print: (...args) => print(args),
  println: (...args) => `${args.map(printValue).join(' ')}\n`,
  printf: (format, ...args) => sprintf(text(format, 'printf'), args),
  html: (...args) => print(args).replace(/[<>&"']/g, (char) => htmlEscapes[char] ?? char),
  urlquery: (...args) => encodeURIComponent(print(args)).replaceAll('%20', '+'),
  json: (value) => toJson(value),
  split: (value, separator) => text(value, 'split').split(text(separator, 'split')),
  join,
  title: (value) =>
    text(value, 'title').replace(
      /(^|[^\p{L}\p{N}'_])(\p{L})/gu,
      (_, before: string, letter: string) => before + letter.toUpperCase(),
    ),
  lower: (value) => text(value, 'lower').toLowerCase(),
  upper: (value) => text(value, 'upper').toUpperCase(),
  pad: (value, before, after) => {
    const source = text(value, 'pad');
    return source === '' ? '' : ' '.repeat(Number(before)) + source + ' '.repeat(Number(after));
  },
  truncate: (value, limit) => text(value, 'truncate').slice(0, Number(limit)),
};

/** For a table's header: a column's name goes through the functions that change values as it is. */
const keptInHeaders = ['json', 'split', 'join', 'title', 'lower', 'upper', 'truncate'];
export const headerFunctions: Readonly<Record<string, TemplateFunction>> = {
  ...templateFunctions,
  ...Object.fromEntries(keptInHeaders.map((name) => [name, (value: unknown) => value])),
};

/** `and` and `or` are the evaluator's own, because they do not look at every argument. */
export const functionNames: ReadonlySet<string> = new Set(['and', 'or', ...Object.keys(templateFunctions)]);
