/** Reads records out of a log's files, forwards and backwards, a large piece at a time. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { EngineError } from '../../errors/engine-error.ts';
import type { LogPosition } from '../../engine/ports/log-store.ts';
import { isErrno } from '../../system/errno.ts';
import { logFilePath } from './log-files.ts';
import {
  decodeFileHeader,
  decodeRecord,
  fileHeaderBytes,
  maxDataBytes,
  recordBytesAt,
  recordBytesBefore,
} from './log-record.ts';
import type { LogRecord } from './log-record.ts';

const windowBytes = 1 << 20;

export interface PlacedRecord {
  readonly position: LogPosition;
  readonly record: LogRecord;
}

export class LogReader implements AsyncDisposable {
  readonly #directory: string;
  readonly #files: () => readonly number[];
  #current: { readonly file: number; readonly handle: FileHandle } | undefined;

  /** `files`: the numbers of those that are there now, oldest first; rotation may take some away while we read. */
  constructor(directory: string, files: () => readonly number[]) {
    this.#directory = directory;
    this.#files = files;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#current?.handle.close();
    this.#current = undefined;
  }

  /** The records between two places. Their data are views of a buffer that is not used again. */
  async *forward(from: LogPosition, to: LogPosition): AsyncGenerator<readonly LogRecord[]> {
    for (const file of this.#files().filter((number) => number >= from.file && number <= to.file)) {
      const handle = await this.#open(file);
      if (handle === undefined) continue;
      const start = file === from.file ? Math.max(from.offset, fileHeaderBytes) : fileHeaderBytes;
      const end = file === to.file ? to.offset : (await handle.stat()).size;
      yield* readForward(handle, start, end, file);
    }
  }

  /** The records before a place, newest first. */
  async *backward(from: LogPosition): AsyncGenerator<PlacedRecord> {
    for (const file of this.#files()
      .filter((number) => number <= from.file)
      .reverse()) {
      const handle = await this.#open(file);
      if (handle === undefined) continue;
      const end = file === from.file ? from.offset : (await handle.stat()).size;
      yield* readBackward(handle, end, file);
    }
  }

  /** When the first record of a file was written; undefined when it has none. */
  async firstTimeNs(file: number): Promise<bigint | undefined> {
    const handle = await this.#open(file);
    if (handle === undefined) return undefined;
    const window = await readWindow(handle, fileHeaderBytes, fileHeaderBytes + 2 * maxDataBytes);
    return decodeRecord(window, 0)?.timeNs;
  }

  /** Undefined when rotation took it away, or when it has no whole header. */
  async #open(file: number): Promise<FileHandle | undefined> {
    if (this.#current?.file === file) return this.#current.handle;
    await this[Symbol.asyncDispose]();
    try {
      const handle = await open(logFilePath(this.#directory, file), 'r');
      this.#current = { file, handle };
      const header = decodeFileHeader(await readWindow(handle, 0, fileHeaderBytes));
      return header === undefined ? undefined : handle;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
}

async function* readForward(
  handle: FileHandle,
  start: number,
  end: number,
  file: number,
): AsyncGenerator<readonly LogRecord[]> {
  let position = start;
  while (position < end) {
    const window = await readWindow(handle, position, Math.min(end, position + windowBytes));
    const records: LogRecord[] = [];
    let at = 0;
    for (;;) {
      const bytes = recordBytesAt(window, at);
      if (bytes === undefined || at + bytes > window.length) break;
      const record = decodeRecord(window, at);
      if (record === undefined) throw damaged(file, position + at);
      records.push(record);
      at += bytes;
    }
    if (at === 0) return; // what a crash left half-written, before a new file was begun
    if (records.length > 0) yield records;
    position += at;
  }
}

async function* readBackward(handle: FileHandle, end: number, file: number): AsyncGenerator<PlacedRecord> {
  let position = end;
  while (position > fileHeaderBytes) {
    const start = Math.max(fileHeaderBytes, position - windowBytes);
    const window = await readWindow(handle, start, position);
    let at = window.length;
    for (;;) {
      const bytes = recordBytesBefore(window, at);
      if (bytes === undefined || bytes > at) break;
      const record = decodeRecord(window, at - bytes);
      if (record === undefined) throw damaged(file, start + at - bytes);
      at -= bytes;
      yield { position: { file, offset: start + at }, record };
    }
    if (at === window.length) return;
    position = start + at;
  }
}

async function readWindow(handle: FileHandle, start: number, end: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(end - start);
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, start + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

function damaged(file: number, offset: number): EngineError {
  return new EngineError('data_loss', `the log is damaged: file ${file}, at byte ${offset}`);
}
