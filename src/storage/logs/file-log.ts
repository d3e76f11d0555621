/** The log of one container, in files of its own. */
import type { LogEntry, LogQuery } from '../../engine/model/log.ts';
import type { ContainerLog, LogPosition, OutputStream } from '../../engine/ports/log-store.ts';
import { LineSplitter } from './line-splitter.ts';
import { LogReader } from './log-reader.ts';
import { findTail } from './log-tail.ts';
import type { TailStart } from './log-tail.ts';
import { LogWriter } from './log-writer.ts';
import type { LogWriterOptions } from './log-writer.ts';

/** So many lines at a time: a batch of short ones must not be a burden to who takes it. */
const batchLines = 1024;

export class FileLog implements ContainerLog {
  readonly #directory: string;
  readonly #writer: LogWriter;

  constructor(options: LogWriterOptions) {
    this.#directory = options.directory;
    this.#writer = new LogWriter(options);
  }

  end(stream: OutputStream): bigint {
    return this.#writer.end(stream);
  }

  beginRun(): void {
    this.#writer.begin();
  }

  resumeRun(): void {
    this.#writer.resume();
  }

  endRun(): Promise<void> {
    return this.#writer.finish();
  }

  append(stream: OutputStream, offset: bigint, chunk: Buffer): Promise<void> {
    return this.#writer.append(stream, offset, chunk);
  }

  position(): LogPosition {
    return this.#writer.position;
  }

  async *readChunks(
    until: LogPosition,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly stream: OutputStream; readonly data: Buffer }> {
    while (isBefore(this.#writer.flushed, until) && !this.#writer.idle) await this.#writer.changed(signal);
    const end = isBefore(this.#writer.flushed, until) ? this.#writer.flushed : until;
    await using reader = this.#reader();
    for await (const records of reader.forward({ file: 0, offset: 0 }, end)) {
      signal.throwIfAborted();
      for (const { kind, data } of records)
        if (kind === 'stdout' || kind === 'stderr') yield { stream: kind, data };
    }
  }

  async *readLines(query: LogQuery, signal: AbortSignal): AsyncGenerator<readonly LogEntry[]> {
    await using reader = this.#reader();
    let end = this.#writer.flushed;
    const start = await this.#start(reader, query, end);
    let from = start.from;
    let skip = start.skip;
    const splitter = new LineSplitter(start.midway);
    for (;;) {
      for await (const records of reader.forward(from, end)) {
        signal.throwIfAborted();
        const lines: LogEntry[] = [];
        for (const record of records) splitter.push(record, lines);
        const wanted = select(lines.slice(skip), query);
        skip = Math.max(0, skip - lines.length);
        for (let at = 0; at < wanted.length; at += batchLines) yield wanted.slice(at, at + batchLines);
        if (query.untilNs !== undefined && (records.at(-1)?.timeNs ?? 0n) > query.untilNs) return;
      }
      from = end;
      if (!query.follow || !(await this.#more(end, query.untilNs, signal))) break;
      end = this.#writer.flushed;
    }
    if (!this.#writer.ended) return;
    const rest: LogEntry[] = [];
    splitter.flush(rest);
    const wanted = select(rest, query);
    if (wanted.length > 0) yield wanted;
  }

  #reader(): LogReader {
    return new LogReader(this.#directory, () => this.#writer.files);
  }

  async #start(reader: LogReader, query: LogQuery, end: LogPosition): Promise<TailStart> {
    if (query.tail !== undefined && query.tail <= 0) return { from: end, midway: false, skip: 0 };
    if (query.tail !== undefined) return findTail(reader, end, query.tail);
    const begin = { from: { file: 0, offset: 0 }, midway: false, skip: 0 };
    if (query.sinceNs === undefined) return begin;
    // A file whose first record is too old may hold wanted ones; all before it do not.
    for (const file of this.#writer.files.toReversed()) {
      const first = await reader.firstTimeNs(file);
      if (first !== undefined && first < query.sinceNs) return { ...begin, from: { file, offset: 0 } };
    }
    return begin;
  }

  /** Waits for more; false when there will be none: the run has ended, or `until` is past. */
  async #more(end: LogPosition, untilNs: bigint | undefined, signal: AbortSignal): Promise<boolean> {
    while (!isBefore(end, this.#writer.flushed)) {
      if (this.#writer.ended) return false;
      if (untilNs === undefined) {
        await this.#writer.changed(signal);
        continue;
      }
      const leftMs = Number(untilNs / 1_000_000n) - Date.now();
      if (leftMs <= 0) return false;
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), Math.min(leftMs + 1, 2 ** 31 - 1));
      try {
        await this.#writer.changed(AbortSignal.any([signal, deadline.signal]));
      } catch (error) {
        if (!deadline.signal.aborted) throw error;
      } finally {
        clearTimeout(timer);
      }
    }
    return true;
  }
}

function select(lines: readonly LogEntry[], query: LogQuery): readonly LogEntry[] {
  const { stdout, stderr, sinceNs, untilNs } = query;
  if (stdout && stderr && sinceNs === undefined && untilNs === undefined) return lines;
  return lines.filter(
    (line) =>
      (line.stream === 'stdout' ? stdout : stderr) &&
      (sinceNs === undefined || line.timeNs >= sinceNs) &&
      (untilNs === undefined || line.timeNs <= untilNs),
  );
}

function isBefore(a: LogPosition, b: LogPosition): boolean {
  return a.file < b.file || (a.file === b.file && a.offset < b.offset);
}
