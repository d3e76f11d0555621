/** `--since` and `--until`: a moment, or how long ago, as the seconds since 1970 that the API takes. */
import { EngineError } from '../../errors/engine-error.ts';

const units: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** "42m", "1h30m", "2025-11-21T01:13:02Z", "2025-11-21", "1763687582.5". `flag` names it in the error. */
export function apiTimestamp(text: string, flag: string, nowMs: number): string {
  if (/^\d+(\.\d{1,9})?$/.test(text)) return text;
  const ago = duration(text);
  if (ago !== undefined) return fixed(nowMs / 1000 - ago);
  const local =
    /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d{1,9})?))?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (local !== null) {
    const [, day = '', hours = '00', minutes = '00', seconds = '00', zone = ''] = local;
    const [whole = '00', fraction = ''] = seconds.split('.');
    const time = Date.parse(`${day}T${hours}:${minutes}:${whole}${zone}`);
    if (!Number.isNaN(time)) return `${time / 1000}${fraction === '' ? '' : `.${fraction.padEnd(9, '0')}`}`;
  }
  throw new EngineError(
    'invalid_argument',
    `invalid value for ${flag}: "${text}" is neither a time (2025-11-21T01:13:02Z), seconds since 1970, nor how long ago (42m)`,
  );
}

function duration(text: string): number | undefined {
  const match = /^-?((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(text);
  if (match?.[1] === undefined) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of match[1].matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(amount) * (units[unit ?? ''] ?? 0);
  }
  return text.startsWith('-') ? -seconds : seconds;
}

function fixed(seconds: number): string {
  return seconds.toFixed(9).replace(/\.?0+$/, '');
}
