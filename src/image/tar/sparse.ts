/** Sparse members: old GNU (type S) and PAX formats 0.0, 0.1 and 1.0, as maps of where the data goes. */
import { EngineError } from '../../errors/engine-error.ts';
import { paxInteger, type PaxAttributes } from './pax.ts';
import { blockBytes } from './tar-header.ts';

/** Data lies at [offset, offset + length) of the file, the rest is zeros. */
export interface SparseRegion {
  readonly offset: number;
  readonly length: number;
}

const regionsMax = 100_000;

function corrupt(why: string): EngineError {
  return new EngineError('invalid_argument', `archive is corrupt: sparse file ${why}`);
}

/** Regions in order, inside the file, and as long together as what the archive stores. */
export function checkRegions(regions: readonly SparseRegion[], realSize: number, storedSize: number): void {
  let at = 0;
  let stored = 0;
  for (const region of regions) {
    if (region.offset < at || region.length < 0 || region.offset + region.length > realSize)
      throw corrupt('has a map that overlaps or leaves the file');
    at = region.offset + region.length;
    stored += region.length;
  }
  if (stored !== storedSize) throw corrupt('has a map that does not fit its data');
}

export function pairsToRegions(numbers: readonly number[]): SparseRegion[] {
  if (numbers.length % 2 !== 0) throw corrupt('has an odd map');
  if (numbers.length / 2 > regionsMax) throw corrupt(`has more than ${regionsMax} regions`);
  const regions: SparseRegion[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    const region = { offset: numbers[i] ?? 0, length: numbers[i + 1] ?? 0 };
    // A last region of no length only marks the file's end.
    if (region.length !== 0) regions.push(region);
  }
  return regions;
}

/** Formats 0.0 and 0.1, whose map is in the PAX header; undefined: it is not sparse in that way. */
export function regionsInPax(pax: PaxAttributes): SparseRegion[] | undefined {
  const map = pax.text.get('GNU.sparse.map');
  if (map !== undefined)
    return pairsToRegions(map.split(',').map((number) => paxInteger('GNU.sparse.map', number)));
  if (pax.text.has('GNU.sparse.numblocks') || pax.sparsePairs.length > 0)
    return pairsToRegions(pax.sparsePairs);
  return undefined;
}

/** The 24-byte offset and length pairs of an old GNU header or one of its extension blocks. */
export function gnuRegions(
  block: Buffer,
  start: number,
  count: number,
): { numbers: number[]; ended: boolean } {
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = start + i * 24;
    if (block[at] === 0) return { numbers, ended: true };
    numbers.push(gnuNumber(block, at), gnuNumber(block, at + 12));
  }
  return { numbers, ended: false };
}

export function gnuNumber(block: Buffer, start: number): number {
  const marked = (block[start] ?? 0) >= 0x80;
  const text = block
    .toString('latin1', start, start + 12)
    .replace(/[\0 ]+$/, '')
    .trim();
  const value = marked
    ? Number(block.readBigUInt64BE(start + 4))
    : /^[0-7]{1,12}$/.test(text)
      ? Number.parseInt(text, 8)
      : Number.NaN;
  if (!Number.isSafeInteger(value)) throw corrupt('has a number that is none');
  return value;
}

/**
 * The map of format 1.0, which stands in front of the data: decimal lines, a count and then pairs, padded to a block.
 * `undefined` as long as `body` does not hold all of it.
 */
export function regionsInBody(body: Buffer): { regions: SparseRegion[]; mapBytes: number } | undefined {
  const numbers: number[] = [];
  let at = 0;
  let wanted = 1;
  while (numbers.length < wanted) {
    const newline = body.indexOf(0x0a, at);
    if (newline < 0) {
      if (body.length - at > 32) throw corrupt('has a map without line ends');
      return undefined;
    }
    const number = paxInteger('GNU.sparse map', body.toString('latin1', at, newline));
    if (numbers.length === 0) {
      if (number < 0 || number > regionsMax) throw corrupt(`has more than ${regionsMax} regions`);
      wanted = 1 + 2 * number;
    }
    numbers.push(number);
    at = newline + 1;
  }
  const mapBytes = Math.ceil(at / blockBytes) * blockBytes;
  return body.length < mapBytes ? undefined : { regions: pairsToRegions(numbers.slice(1)), mapBytes };
}
