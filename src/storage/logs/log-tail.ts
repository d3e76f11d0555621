/** Where to begin reading for the last lines of a log, found from its end. */
import type { LogEntry } from '../../engine/model/log.ts';
import type { LogPosition } from '../../engine/ports/log-store.ts';
import { LineSplitter, maxLineBytes } from './line-splitter.ts';
import type { LogReader } from './log-reader.ts';

export interface TailStart {
  readonly from: LogPosition;
  /** `from` may lie within a line. */
  readonly midway: boolean;
  /** Lines from there on that come before the wanted ones. */
  readonly skip: number;
}

/** Reads no more than holds the last `lines` lines, twice: a log's lines need not fit into memory. */
export async function findTail(reader: LogReader, end: LogPosition, lines: number): Promise<TailStart> {
  const begin = await walkBack(reader, end, lines);
  const splitter = new LineSplitter(begin.midway);
  let count = 0;
  for await (const records of reader.forward(begin.from, end)) {
    const entries: LogEntry[] = [];
    for (const record of records) splitter.push(record, entries);
    count += entries.length;
  }
  return { ...begin, skip: Math.max(0, count - lines) };
}

/**
 * Back until enough line feeds are behind: one more for each stream, because the first line of each may be cut. Where
 * there are no line feeds, so many bytes that the cuts after each 16 KiB make enough lines.
 */
async function walkBack(
  reader: LogReader,
  end: LogPosition,
  lines: number,
): Promise<{ readonly from: LogPosition; readonly midway: boolean }> {
  const enoughBytes = (lines + 4) * 2 * maxLineBytes;
  let feeds = 0;
  let bytes = 0;
  for await (const { position, record } of reader.backward(end)) {
    feeds += countFeeds(record.data);
    bytes += record.data.length;
    if (feeds >= lines + 3 || bytes >= enoughBytes) return { from: position, midway: true };
  }
  return { from: { file: 0, offset: 0 }, midway: false };
}

function countFeeds(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) count++;
  return count;
}
