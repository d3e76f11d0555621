/**
 * Appends records to a container's log. A record's place is fixed when it is appended; it is in the file when the
 * promise resolves. What comes while a write is under way goes out with the next one, in one gathering write.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { LogPosition, OutputStream } from '../../engine/ports/log-store.ts';
import { listLogFiles, logFilePath, recoverLogFile } from './log-files.ts';
import type { LogTail } from './log-files.ts';
import {
  encodeFileHeader,
  encodeRecord,
  fileHeaderBytes,
  maxDataBytes,
  newSalt,
  recordOverhead,
} from './log-record.ts';
import type { RecordKind } from './log-record.ts';

export interface LogWriterOptions {
  readonly directory: string;
  readonly maxFileBytes: number;
  readonly maxFiles: number;
  /** Told once for each time that writing begins to fail. */
  readonly onFailure: (error: unknown) => void;
}

/** The position in a file to which nothing can be added. */
const brokenFile = Number.MAX_SAFE_INTEGER;

interface Batch {
  readonly file: number;
  /** Bytes of the file before this batch. */
  readonly start: number;
  readonly buffers: Buffer[];
  bytes: number;
  readonly done: ReturnType<typeof Promise.withResolvers<undefined>>;
}

export class LogWriter {
  readonly #options: LogWriterOptions;
  #ends: Record<OutputStream, bigint> = { stdout: 0n, stderr: 0n };
  readonly #files: number[];
  #file: number;
  /** Where the next record goes. */
  #position: number;
  /** What of the current file is in the file. */
  #flushed: LogPosition;
  #salt = 0;
  #ended = true;
  #queue: Batch[] = [];
  #writing: Promise<void> | undefined;
  #handle: { readonly file: number; readonly open: FileHandle } | undefined;
  #failing = false;
  #latestNs = 0n;
  #listeners: (() => void)[] = [];

  /** Makes nothing yet; recovers what is there. */
  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#files = [...listLogFiles(options.directory)];
    this.#file = this.#files.at(-1) ?? 0;
    const recovered = recover(options.directory, this.#files);
    // A file without a whole header is left behind: the next record begins a new one.
    this.#position = recovered?.file === this.#file ? recovered.tail.bytes : brokenFile;
    this.#flushed = { file: this.#file, offset: recovered?.file === this.#file ? this.#position : 0 };
    if (recovered === undefined) return;
    const { tail } = recovered;
    this.#salt = tail.salt;
    this.#ends = { stdout: tail.stdoutEnd, stderr: tail.stderrEnd };
    this.#ended = tail.ended;
  }

  end(stream: OutputStream): bigint {
    return this.#ends[stream];
  }

  /** No run's output is expected now. */
  get ended(): boolean {
    return this.#ended;
  }

  get position(): LogPosition {
    return { file: this.#file, offset: this.#position };
  }

  get flushed(): LogPosition {
    return this.#flushed;
  }

  /** Numbers of the files that can be read, oldest first. */
  get files(): readonly number[] {
    return this.#files;
  }

  /** Nothing is on its way into the file. */
  get idle(): boolean {
    return this.#writing === undefined;
  }

  /** Resolves at the next change of `flushed` or `ended`. */
  async changed(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const wake = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#listeners = this.#listeners.filter((listener) => listener !== wake);
        reject(signal.reason as Error);
      };
      this.#listeners.push(wake);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** Offsets begin at 0. An empty log stays without a file until there is output. */
  begin(): void {
    this.#ends.stdout = 0n;
    this.#ends.stderr = 0n;
    this.#ended = false;
    if (this.#file !== 0) void this.#add('begin', 0n, Buffer.alloc(0));
  }

  resume(): void {
    this.#ended = false;
  }

  async finish(): Promise<void> {
    if (!this.#ended && this.#file !== 0) await this.#add('end', 0n, Buffer.alloc(0));
    this.#ended = true;
    this.#wake();
    await this.close();
  }

  append(stream: OutputStream, offset: bigint, chunk: Buffer): Promise<void> {
    const known = this.#ends[stream];
    const fresh = offset >= known ? chunk : chunk.subarray(Number(known - offset));
    if (fresh.length === 0) return Promise.resolve();
    let at = offset >= known ? offset : known;
    let written: Promise<void> = Promise.resolve();
    for (let done = 0; done < fresh.length; done += maxDataBytes) {
      const part = fresh.subarray(done, done + maxDataBytes);
      written = this.#add(stream, at, part);
      at += BigInt(part.length);
      this.#ends[stream] = at;
    }
    return written;
  }

  /** Lets go of the descriptor; the next append opens it again. */
  async close(): Promise<void> {
    await this.#writing;
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.open.close();
  }

  #add(kind: RecordKind, offset: bigint, data: Buffer): Promise<undefined> {
    const bytes = data.length + recordOverhead;
    if (this.#file === 0 || this.#position + bytes > this.#options.maxFileBytes) this.#startFile();
    const buffers = encodeRecord({ kind, timeNs: this.#nowNs(), offset, data }, this.#salt);
    return this.#enqueue(buffers, bytes);
  }

  #startFile(): void {
    this.#file++;
    this.#position = 0;
    this.#salt = newSalt();
    const header = { salt: this.#salt, stdoutEnd: this.#ends.stdout, stderrEnd: this.#ends.stderr };
    void this.#enqueue([encodeFileHeader(header)], fileHeaderBytes);
  }

  #enqueue(buffers: readonly Buffer[], bytes: number): Promise<undefined> {
    let batch = this.#queue.at(-1);
    if (batch?.file !== this.#file) {
      const done = Promise.withResolvers<undefined>();
      batch = { file: this.#file, start: this.#position, buffers: [], bytes: 0, done };
      this.#queue.push(batch);
    }
    for (const buffer of buffers) if (buffer.length > 0) batch.buffers.push(buffer);
    batch.bytes += bytes;
    this.#position += bytes;
    this.#writing ??= this.#write();
    return batch.done.promise;
  }

  /** One batch after the other, until the queue is empty. Never rejects. */
  async #write(): Promise<void> {
    await Promise.resolve(); // what comes in the same moment goes out together
    for (let batch = this.#queue.shift(); batch !== undefined; batch = this.#queue.shift()) {
      try {
        await this.#writeBatch(batch);
        this.#failing = false;
      } catch (error) {
        await this.#giveUp(batch, error);
      }
      batch.done.resolve(undefined);
      this.#wake();
    }
    this.#writing = undefined;
    this.#wake();
  }

  async #writeBatch(batch: Batch): Promise<void> {
    const file = await this.#fileFor(batch.file);
    let position = batch.start;
    let left: Buffer[] = batch.buffers;
    while (left.length > 0) {
      const { bytesWritten } = await file.writev(left, position);
      position += bytesWritten;
      left = skip(left, bytesWritten);
    }
    this.#flushed = { file: batch.file, offset: position };
  }

  async #fileFor(number: number): Promise<FileHandle> {
    if (this.#handle?.file === number) return this.#handle.open;
    const path = logFilePath(this.#options.directory, number);
    if (!this.#files.includes(number)) await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    const opened = await open(path, this.#files.includes(number) ? 'r+' : 'w+', 0o600);
    await this.#handle?.open.close();
    this.#handle = { file: number, open: opened };
    if (!this.#files.includes(number)) {
      this.#files.push(number);
      await this.#removeOld();
    }
    return opened;
  }

  async #removeOld(): Promise<void> {
    while (this.#files.length > this.#options.maxFiles) {
      const oldest = this.#files.shift();
      if (oldest !== undefined) await rm(logFilePath(this.#options.directory, oldest), { force: true });
    }
  }

  /**
   * A disk that is full must not stop the container: this batch and all that was appended after it is left out, and
   * the log goes on where it is whole, in the hope that there will be room.
   */
  async #giveUp(batch: Batch, error: unknown): Promise<void> {
    if (!this.#failing) this.#options.onFailure(error);
    this.#failing = true;
    for (const dropped of this.#queue) dropped.done.resolve(undefined);
    this.#queue = [];
    if (this.#flushed.file !== batch.file) {
      // Not even the file's header is there: a next one is begun.
      this.#position = brokenFile;
      return;
    }
    this.#position = this.#flushed.offset;
    await this.#handle?.open.truncate(this.#position).catch(() => undefined);
  }

  /** The wall clock, never twice the same. */
  #nowNs(): bigint {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#latestNs = now > this.#latestNs ? now : this.#latestNs + 1n;
    return this.#latestNs;
  }

  #wake(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

function skip(buffers: readonly Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  const rest: Buffer[] = [];
  for (const buffer of buffers) {
    if (left >= buffer.length) {
      left -= buffer.length;
      continue;
    }
    rest.push(left === 0 ? buffer : buffer.subarray(left));
    left = 0;
  }
  return rest;
}

function recover(
  directory: string,
  files: readonly number[],
): { readonly file: number; readonly tail: LogTail } | undefined {
  for (const file of files.toReversed()) {
    const tail = recoverLogFile(logFilePath(directory, file));
    if (tail !== undefined) return { file, tail };
  }
  return undefined;
}
