/** Usage texts, in the form of docker's. */
import type { ArgumentCount, Command, FlagSpec, TableEntry } from './command.ts';
import { UsageError } from './usage-error.ts';

const helpWidth = 80;

export function commandHelp(name: string, command: Command, entry: TableEntry): string {
  const parts = [`Usage:  dvm ${name} ${command.usage}`.trimEnd(), entry.summary];
  if (entry.names.length > 1)
    parts.push(`Aliases:\n  ${entry.names.map((alias) => `dvm ${alias}`).join(', ')}`);
  const flags = command.flags.filter((flag) => flag.hidden !== true);
  if (flags.length > 0) parts.push(`Options:\n${flagTable(flags)}`);
  return `${parts.join('\n\n')}\n`;
}

/** Lines "  -s, --name value   help", help wrapped beside its column. */
export function flagTable(flags: readonly FlagSpec[]): string {
  const rows = flags
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((flag) => ({ left: leftColumn(flag), help: helpText(flag) }));
  const width = Math.max(...rows.map((row) => row.left.length)) + 3;
  return rows
    .map((row) => {
      const lines = wrap(row.help, Math.max(24, helpWidth - width));
      return lines
        .map((line, index) => (index === 0 ? row.left.padEnd(width) : ' '.repeat(width)) + line)
        .join('\n');
    })
    .join('\n');
}

function leftColumn(flag: FlagSpec): string {
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
  const value = flag.kind === 'bool' ? '' : ` ${flag.value ?? flag.kind}`;
  return `  ${short}--${flag.name}${value}`;
}

function helpText(flag: FlagSpec): string {
  if (flag.default === undefined || flag.default === false) return flag.help;
  return `${flag.help} (default ${typeof flag.default === 'string' ? JSON.stringify(flag.default) : 'true'})`;
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

export function wrongArgumentCount(name: string, count: ArgumentCount): UsageError {
  return new UsageError(`dvm: 'dvm ${name}' ${wantedArguments(count)}`, 1);
}

function wantedArguments({ min, max }: ArgumentCount): string {
  const plural = (number: number) => `${number} argument${number === 1 ? '' : 's'}`;
  if (max === 0) return 'accepts no arguments';
  if (min === max) return `requires ${plural(min)}`;
  if (max === Number.POSITIVE_INFINITY) return `requires at least ${plural(min)}`;
  return min === 0 ? `accepts at most ${plural(max)}` : `requires at least ${min} and at most ${plural(max)}`;
}
