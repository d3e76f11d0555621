/** The port to containers' logs: what their processes wrote, in order, byte for byte. */
import type { LogEntry, LogQuery } from '../model/log.ts';
import type { LogOptions } from '../model/container.ts';

export type OutputStream = 'stdout' | 'stderr';

/** A place between two chunks of a log. */
export interface LogPosition {
  readonly file: number;
  readonly offset: number;
}

/**
 * The log of one container through all of its runs. Appending fixes the chunk's place at once; the promise resolves
 * when the chunk is in the file and so survives the daemon's death. When the disk is full the chunk is left out, the
 * observer is told, and the promise resolves all the same: a full disk must not stop the container.
 */
export interface ContainerLog {
  /** How many bytes of the stream were recorded in the latest run. */
  end(stream: OutputStream): bigint;
  /** A process starts: its offsets begin at 0, and a line that was left unfinished is finished. */
  beginRun(): void;
  /** Its output has ended: who follows is told. Idempotent. */
  endRun(): Promise<void>;
  /** After a restart of the daemon: the latest run goes on. */
  resumeRun(): void;
  append(stream: OutputStream, offset: bigint, chunk: Buffer): Promise<void>;
  /** After everything that was appended so far. */
  position(): LogPosition;
  /** Lines, as Docker's json-file cuts them, in batches of at most 1024. Following ends with the run. */
  readLines(query: LogQuery, signal: AbortSignal): AsyncIterable<readonly LogEntry[]>;
  /** Chunks as they came, from the log's begin to `until`. */
  readChunks(
    until: LogPosition,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly stream: OutputStream; readonly data: Buffer }>;
}

export interface LogStore {
  /** Where the container's log is, for `inspect`; '' for the driver `none`. */
  pathOf(containerId: string, options: LogOptions): string;
  /** Cheap, and makes no file yet. What a crash left half-written at the end is cut off. Undefined for `none`. */
  open(containerId: string, options: LogOptions): ContainerLog | undefined;
  /** Idempotent. */
  remove(containerId: string): Promise<void>;
  /** Removes the logs of containers that do not exist. */
  removeStrays(known: ReadonlySet<string>): Promise<void>;
}
