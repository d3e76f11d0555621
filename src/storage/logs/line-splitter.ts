/** Cuts a log into lines as Docker's json-file does: at line feeds, and a long line after every 16 KiB. */
import type { LogEntry } from '../../engine/model/log.ts';
import type { OutputStream } from '../../engine/ports/log-store.ts';
import type { LogRecord } from './log-record.ts';

export const maxLineBytes = 16 << 10;
const lineFeed = 10;

interface Pending {
  parts: Buffer[];
  bytes: number;
  timeNs: bigint;
}

export class LineSplitter {
  readonly #pending: Readonly<Record<OutputStream, Pending>> = { stdout: empty(), stderr: empty() };
  readonly #skipping: Record<OutputStream, boolean>;

  /** `midway`: the first record may begin within a line; what belongs to that line is left out. */
  constructor(midway: boolean) {
    this.#skipping = { stdout: midway, stderr: midway };
  }

  /** The lines that are whole with this record. */
  push(record: LogRecord, into: LogEntry[]): void {
    if (record.kind === 'begin' || record.kind === 'end') this.flush(into);
    else this.#split(record.kind, record, into);
  }

  /** A run has ended: what has no line feed will not get one. */
  flush(into: LogEntry[]): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const pending = this.#pending[stream];
      this.#skipping[stream] = false;
      if (pending.bytes > 0) this.#emit(stream, Buffer.alloc(0), pending.timeNs, into);
    }
  }

  #split(stream: OutputStream, { data, timeNs }: LogRecord, into: LogEntry[]): void {
    let at = this.#skipping[stream] ? this.#skipLine(stream, data) : 0;
    const pending = this.#pending[stream];
    while (at < data.length) {
      const room = at + maxLineBytes - pending.bytes;
      const feed = data.indexOf(lineFeed, at);
      const end = feed < 0 ? data.length : feed + 1;
      if (end > room) {
        this.#emit(stream, data.subarray(at, room), timeNs, into);
        at = room;
      } else if (feed < 0) {
        pending.parts.push(data.subarray(at));
        pending.bytes += data.length - at;
        pending.timeNs = timeNs;
        return;
      } else {
        this.#emit(stream, data.subarray(at, end), timeNs, into);
        at = end;
      }
    }
  }

  /** A line can only be so long: after that the cut is as good as any. */
  #skipLine(stream: OutputStream, data: Buffer): number {
    const feed = data.indexOf(lineFeed);
    if (feed >= 0 || data.length >= maxLineBytes) this.#skipping[stream] = false;
    return feed < 0 ? data.length : feed + 1;
  }

  #emit(stream: OutputStream, last: Buffer, timeNs: bigint, into: LogEntry[]): void {
    const pending = this.#pending[stream];
    const data = pending.bytes === 0 ? last : Buffer.concat([...pending.parts, last]);
    pending.parts = [];
    pending.bytes = 0;
    into.push(new Line(stream, timeNs, data));
  }
}

/** A gigabyte of lines is millions of these: what few ask for is made when they do. */
class Line implements LogEntry {
  readonly stream: OutputStream;
  readonly timeNs: bigint;
  readonly data: Buffer;

  constructor(stream: OutputStream, timeNs: bigint, data: Buffer) {
    this.stream = stream;
    this.timeNs = timeNs;
    this.data = data;
  }

  get time(): Date {
    return new Date(Number(this.timeNs / 1_000_000n));
  }
}

function empty(): Pending {
  return { parts: [], bytes: 0, timeNs: 0n };
}
