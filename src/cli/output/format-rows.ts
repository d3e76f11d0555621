/** `--format` of the verbs that list things: a table (the default one or one of the user's), JSON lines, or any template. */
import { evaluate } from '../template/evaluate.ts';
import { functionNames, headerFunctions } from '../template/functions.ts';
import { parseTemplate } from '../template/parser.ts';
import type { Fields } from '../template/values.ts';
import { alignColumns } from './columns.ts';

export interface RowFormat {
  /** What `--format` said; '' and 'table' mean `defaultTable`. */
  readonly format: string;
  /** A template of cells with tabs between. */
  readonly defaultTable: string;
  /** What stands above each field's column. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Throws TemplateError. */
export function formatRows(rows: readonly Fields[], { format, defaultTable, headers }: RowFormat): string {
  if (format === 'json') return rows.map((row) => `${JSON.stringify(answers(row))}\n`).join('');
  const isTable = format === '' || format.startsWith('table');
  const source = cells(
    format === '' || format === 'table' ? defaultTable : isTable ? format.slice('table'.length) : format,
  );
  const template = parseTemplate(source, functionNames);
  const lines = rows.map((row) => evaluate(template, row));
  if (!isTable) return lines.map((line) => `${line}\n`).join('');
  const header = evaluate(template, withColumns(headers, rows), { functions: headerFunctions });
  return alignColumns([header, ...lines].map((line) => line.split('\t')));
}

/** Whether the format asks for a field: some cost the daemon work that is done only when somebody looks. */
export function mentions(format: string, field: string): boolean {
  return format.includes(`.${field}`);
}

function cells(format: string): string {
  return format
    .replace(/^ +| +$/g, '')
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n');
}

/** Fields with arguments (`.Label "key"`) are called what they were asked for. */
function withColumns(headers: Readonly<Record<string, string>>, rows: readonly Fields[]): Fields {
  const columns: Record<string, unknown> = { ...headers };
  for (const [name, value] of Object.entries(rows[0] ?? {})) {
    if (typeof value === 'function') columns[name] = (argument: unknown) => String(argument);
  }
  if ('Labels' in headers) columns['Label'] ??= (argument: unknown) => String(argument);
  return columns;
}

function answers(row: Fields): Fields {
  const entries = Object.entries(row).filter(([, value]) => typeof value !== 'function');
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
