/** Times and sizes as docker shows them to people. */

const second = 1;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** "3 minutes", "About an hour", "2 weeks". */
export function humanDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  if (whole < 1) return 'Less than a second';
  if (whole === 1) return '1 second';
  if (whole < minute) return `${whole} seconds`;
  const minutes = Math.trunc(seconds / minute);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(seconds / hour + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / day / 365)} years`;
}

/** "3 minutes ago"; `since` and `now` in milliseconds. */
export function humanAgo(sinceMs: number, nowMs: number): string {
  return `${humanDuration((nowMs - sinceMs) / 1000)} ago`;
}

const decimalUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'] as const;
const binaryUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'] as const;

/** In powers of 1000: 1.23GB. */
export function humanSize(bytes: number, precision = 4): string {
  return scaled(bytes, 1000, decimalUnits, precision);
}

/** In powers of 1024: 1.234GiB. */
export function binarySize(bytes: number): string {
  return scaled(bytes, 1024, binaryUnits, 4);
}

function scaled(bytes: number, base: number, units: readonly string[], precision: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= base && unit < units.length - 1) {
    size /= base;
    unit += 1;
  }
  return general(size, precision) + (units[unit] ?? '');
}

/** Go's %.Ng: N significant digits, no trailing zeros, an exponent where the number is longer than that. */
function general(value: number, precision: number): string {
  const [digits = '', exponent] = value.toPrecision(precision).split('e');
  const trimmed = digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
  if (exponent === undefined) return trimmed;
  const sign = exponent.startsWith('-') ? '-' : '+';
  return `${trimmed}e${sign}${exponent.replace(/^[+-]/, '').padStart(2, '0')}`;
}

/** Go's Time.String of whole seconds, in the local zone: 2025-11-21 01:13:02 +0100 CET. */
export function localTime(epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000);
  const two = (number: number) => String(number).padStart(2, '0');
  const dayText = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const offset = zoneOffset(date);
  const zone = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' })
    .formatToParts(date)
    .find((part) => part.type === 'timeZoneName')?.value;
  const name = zone === undefined || zone.startsWith('GMT+') || zone.startsWith('GMT-') ? offset : zone;
  return `${dayText} ${time} ${offset} ${name}`;
}

/** RFC 3339 in the local zone: 2025-11-21T01:13:02+01:00. */
export function localRfc3339(epochSeconds: number): string {
  const [dayText = '', time = '', offset = ''] = localTime(epochSeconds).split(' ');
  return `${dayText}T${time}${offset === '+0000' ? 'Z' : `${offset.slice(0, 3)}:${offset.slice(3)}`}`;
}

function zoneOffset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const two = (number: number) => String(Math.trunc(number)).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}${two(Math.abs(minutes) % 60)}`;
}

/** Twelve digits, without "sha256:". */
export function shortId(id: string): string {
  return id.replace(/^[a-z0-9]+:/, '').slice(0, 12);
}

/** At most `width` characters, the last an ellipsis when something was cut. */
export function ellipsis(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}
