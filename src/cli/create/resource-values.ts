/** Sizes and processor shares as they are typed, in the API's units. Each throws an Error that says what is wrong. */

const unitPowers = ['', 'k', 'm', 'g', 't', 'p'];

/** "512m", "1.5GiB", "1073741824": bytes, in powers of 1024. */
export function parseMemory(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s?(.*)$/.exec(text);
  if (match?.[1] === undefined) throw new Error(`invalid size: '${text}'`);
  const suffix = (match[2] ?? '').toLowerCase();
  const unit = /^([kmgtp]?)(?:i?b)?$/.exec(suffix)?.[1];
  if (unit === undefined || suffix === 'ib') throw new Error(`invalid suffix: '${match[2] ?? ''}'`);
  const bytes = Math.trunc(Number(match[1]) * 1024 ** unitPowers.indexOf(unit));
  if (!Number.isSafeInteger(bytes)) throw new Error(`invalid size: '${text}' is too large`);
  return bytes;
}

/** As `parseMemory`, or -1. */
export function parseMemoryOrUnlimited(text: string): number {
  return text === '-1' ? -1 : parseMemory(text);
}

/** "1.5" or "3/2" processors, in billionths. */
export function parseCpus(text: string): number {
  const match = /^(?=\.?\d)(\d{0,12})(?:\.(\d{0,18}))?$|^(\d{1,12})\/(\d{1,12})$/.exec(text);
  if (match === null) throw new Error(`failed to parse ${text} as a rational number`);
  const [, whole = '', fraction = '', numerator, denominator] = match;
  const scale = 10n ** BigInt(fraction.length);
  const top =
    numerator === undefined
      ? BigInt(whole === '' ? '0' : whole) * scale + BigInt(fraction === '' ? '0' : fraction)
      : BigInt(numerator);
  const bottom = denominator === undefined ? scale : BigInt(denominator);
  if (bottom === 0n) throw new Error(`failed to parse ${text} as a rational number`);
  if ((top * 1_000_000_000n) % bottom !== 0n) throw new Error('value is too precise');
  const nano = Number((top * 1_000_000_000n) / bottom);
  if (!Number.isSafeInteger(nano)) throw new Error(`${text} processors are too many`);
  return nano;
}
