/** printf for templates: Go's verbs v s q d x X f e g c t and %, with flags, width and precision. */
import { printValue } from './values.ts';

const directive = /%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g;

export function sprintf(format: string, args: readonly unknown[]): string {
  let next = 0;
  const text = format.replace(
    directive,
    (_, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%';
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const formatted = formatOne(
        verb,
        flags,
        precision === undefined ? undefined : Number(precision),
        args[next++],
      );
      return pad(formatted, flags, Math.min(Number(width ?? 0), 10_000));
    },
  );
  const extra = args.slice(next).map(printValue);
  return extra.length > 0 ? `${text}%!(EXTRA ${extra.join(', ')})` : text;
}

function formatOne(verb: string, flags: string, precision: number | undefined, value: unknown): string {
  const sign = flags.includes('+') && Number(value) >= 0 ? '+' : '';
  switch (verb) {
    case 'v':
    case 's':
      return precision === undefined
        ? printValue(value)
        : Array.from(printValue(value)).slice(0, precision).join('');
    case 'q':
      return JSON.stringify(printValue(value));
    case 'd':
      return typeof value === 'number' && Number.isInteger(value)
        ? `${sign}${value}`
        : `%!d(${printValue(value)})`;
    case 'x':
    case 'X':
      return hexadecimal(value, verb);
    case 'f':
      return typeof value === 'number' ? sign + value.toFixed(precision ?? 6) : `%!f(${printValue(value)})`;
    case 'e':
      return typeof value === 'number'
        ? sign + value.toExponential(precision ?? 6)
        : `%!e(${printValue(value)})`;
    case 'g':
    case 't':
      return printValue(value);
    case 'c':
      return typeof value === 'number' ? String.fromCodePoint(value) : `%!c(${printValue(value)})`;
    default:
      return `%!${verb}(${printValue(value)})`;
  }
}

function hexadecimal(value: unknown, verb: 'x' | 'X'): string {
  const text =
    typeof value === 'number' ? value.toString(16) : Buffer.from(printValue(value)).toString('hex');
  return verb === 'X' ? text.toUpperCase() : text;
}

function pad(text: string, flags: string, width: number): string {
  const missing = width - Array.from(text).length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  return (flags.includes('0') ? '0' : ' ').repeat(missing) + text;
}
