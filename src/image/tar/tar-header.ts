/** One 512-byte tar header: v7, ustar, GNU. Facts: POSIX.1-2024 pax, GNU tar manual "Basic Tar Format". */
import { EngineError } from '../../errors/engine-error.ts';

export const blockBytes = 512;

/** The fields of a header, numbers decoded. `typeflag` is a character. */
export interface TarHeader {
  readonly typeflag: string;
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

export function isZeroBlock(block: Buffer, start: number): boolean {
  if (block[start] !== 0) return false;
  for (let i = start + 1; i < start + blockBytes; i++) if (block[i] !== 0) return false;
  return true;
}

/** Throws `invalid_argument` when the checksum or a number is wrong. */
export function decodeTarHeader(buffer: Buffer, start: number): TarHeader {
  if (!checksumMatches(buffer, start))
    throw new EngineError('invalid_argument', 'archive is corrupt: a tar header has a wrong checksum');
  const typeflag = buffer[start + 156] === 0 ? '0' : String.fromCharCode(buffer[start + 156] ?? 0);
  const magic = buffer.toString('latin1', start + 257, start + 265);
  const isUstar = magic.startsWith('ustar');
  const isDevice = typeflag === '3' || typeflag === '4';
  const name = textField(buffer, start, 100);
  // GNU headers ("ustar  \0") use the bytes of the prefix for other things.
  const prefix = isUstar && magic !== 'ustar  \0' ? textField(buffer, start + 345, 155) : '';
  return {
    typeflag,
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: textField(buffer, start + 157, 100),
    mode: numberField(buffer, start + 100, 8, 'mode'),
    uid: numberField(buffer, start + 108, 8, 'uid'),
    gid: numberField(buffer, start + 116, 8, 'gid'),
    size: numberField(buffer, start + 124, 12, 'size'),
    mtime: numberField(buffer, start + 136, 12, 'mtime'),
    devMajor: isUstar && isDevice ? numberField(buffer, start + 329, 8, 'devmajor') : 0,
    devMinor: isUstar && isDevice ? numberField(buffer, start + 337, 8, 'devminor') : 0,
  };
}

/** Whether these 512 bytes are a tar header, or the end of an empty archive. */
export function looksLikeTar(block: Buffer): boolean {
  return block.length >= blockBytes && (isZeroBlock(block, 0) || checksumMatches(block, 0));
}

/** The sum of all bytes with the checksum itself as spaces; old archives added them as signed. */
function checksumMatches(buffer: Buffer, start: number): boolean {
  let sum = 8 * 0x20;
  let signedSum = 8 * 0x20;
  for (let i = 0; i < blockBytes; i++) {
    if (i === 148) i = 156;
    const byte = buffer[start + i] ?? 0;
    sum += byte;
    signedSum += byte < 128 ? byte : byte - 256;
  }
  const stored = octal(buffer, start + 148, 8);
  return stored === sum || stored === signedSum;
}

function textField(buffer: Buffer, start: number, length: number): string {
  let end = start;
  while (end < start + length && buffer[end] !== 0) end++;
  return buffer.toString('latin1', start, end);
}

function numberField(buffer: Buffer, start: number, length: number, field: string): number {
  const first = buffer[start] ?? 0;
  const value = (first & 0x80) === 0 ? octal(buffer, start, length) : base256(buffer, start, length);
  if (!Number.isSafeInteger(value))
    throw new EngineError('invalid_argument', `archive is corrupt: a tar header's ${field} is not a number`);
  return value;
}

/** Octal digits between spaces or NULs; NaN when there is anything else. */
function octal(buffer: Buffer, start: number, length: number): number {
  let i = start;
  const end = start + length;
  while (i < end && (buffer[i] === 0x20 || buffer[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = (buffer[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  return i === end || buffer[i] === 0x20 || buffer[i] === 0 ? value : Number.NaN;
}

/** GNU's big numbers: two's complement, big endian, the top bit of the first byte set as a mark. */
function base256(buffer: Buffer, start: number, length: number): number {
  const first = buffer[start] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = negative ? (first | 0x80) - 256 : first & 0x7f;
  for (let i = start + 1; i < start + length; i++) value = value * 256 + (buffer[i] ?? 0);
  return value;
}
