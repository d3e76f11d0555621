/** PAX extended headers: `<length> <key>=<value>\n` records that amend the header after them. */
import { EngineError } from '../../errors/engine-error.ts';
import { printable } from './tar-entry.ts';

const xattrPrefix = 'SCHILY.xattr.';

/** What a PAX header sets; text as byte strings. */
export interface PaxAttributes {
  readonly text: ReadonlyMap<string, string>;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** GNU.sparse.offset and GNU.sparse.numbytes in turn (format 0.0, where the same key stands many times). */
  readonly sparsePairs: readonly number[];
}

function corrupt(why: string): EngineError {
  return new EngineError('invalid_argument', `archive is corrupt: PAX header ${why}`);
}

export function parsePax(body: Buffer): PaxAttributes {
  const text = new Map<string, string>();
  const xattrs = new Map<string, Buffer>();
  const sparsePairs: number[] = [];
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 || space - at > 10 ? '' : body.toString('latin1', at, space);
    const length = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (length === 0 || end > body.length || end <= space + 1 || body[end - 1] !== 0x0a)
      throw corrupt('has a record of a wrong length');
    const equals = body.indexOf(0x3d, space + 1);
    if (equals < 0 || equals >= end) throw corrupt('has a record without "="');
    const key = body.toString('latin1', space + 1, equals);
    if (key.startsWith(xattrPrefix))
      xattrs.set(key.slice(xattrPrefix.length), Buffer.from(body.subarray(equals + 1, end - 1)));
    else addText(key, body.toString('latin1', equals + 1, end - 1), text, sparsePairs);
    at = end;
  }
  return { text, xattrs, sparsePairs };
}

function addText(key: string, value: string, text: Map<string, string>, sparsePairs: number[]): void {
  if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
    sparsePairs.push(paxInteger(key, value));
    return;
  }
  if ((key === 'path' || key === 'linkpath' || key === 'GNU.sparse.name') && value.includes('\0'))
    throw corrupt(`has a NUL byte in ${key}`);
  // An empty value takes back what an earlier record said.
  if (value === '') text.delete(key);
  else text.set(key, value);
}

export function paxInteger(key: string, value: string): number {
  const number = /^-?[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number))
    throw corrupt(`has ${printable(key)}=${printable(value)}, which is not a number`);
  return number;
}

/** Seconds with a fraction, which may be negative: -1.25 is 750 ms after -2. */
export function paxTime(key: string, value: string): { seconds: number; nanoseconds: number } {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value);
  if (match === null) throw corrupt(`has ${printable(key)}=${printable(value)}, which is not a time`);
  const whole = Number(match[2]);
  const fraction = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return { seconds: whole, nanoseconds: fraction };
  return fraction === 0
    ? { seconds: 0 - whole, nanoseconds: 0 }
    : { seconds: -whole - 1, nanoseconds: 1_000_000_000 - fraction };
}
