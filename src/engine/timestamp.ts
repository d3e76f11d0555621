/** Points in time as Docker's clients write them: seconds since the epoch, RFC 3339, or a Go duration before now. */
import { EngineError } from '../errors/engine-error.ts';

const unitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Throws `invalid_argument`. */
export function parseTimestamp(text: string, now: Date): Date {
  if (/^-?\d+(\.\d+)?$/.test(text)) return new Date(Number(text) * 1000);
  const durationMs = parseDuration(text);
  if (durationMs !== undefined) return new Date(now.getTime() - durationMs);
  const date = new Date(text);
  if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(date.getTime()))
    throw new EngineError('invalid_argument', `invalid point in time: "${text}"`);
  return date;
}

function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    sum += Number(amount) * (unitsMs[unit ?? ''] ?? 0);
  return sum;
}
