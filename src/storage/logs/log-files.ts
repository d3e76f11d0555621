/** The files of one container's log: `00000001.log`, `00000002.log`, …; the last one is written. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../system/errno.ts';
import {
  decodeFileHeader,
  decodeRecord,
  fileHeaderBytes,
  isRecordIntact,
  maxDataBytes,
  recordBytesAt,
  recordBytesBefore,
  recordOverhead,
} from './log-record.ts';
import type { FileHeader } from './log-record.ts';

export function logFilePath(directory: string, file: number): string {
  return join(directory, `${String(file).padStart(8, '0')}.log`);
}

/** Numbers of the files that are there, oldest first. */
export function listLogFiles(directory: string): readonly number[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d{8}\.log$/.test(name))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Where the last daemon stopped writing. */
export interface LogTail {
  readonly salt: number;
  readonly bytes: number;
  readonly stdoutEnd: bigint;
  readonly stderrEnd: bigint;
  /** The latest run's end was recorded. */
  readonly ended: boolean;
}

/**
 * Finds the end of the newest file and cuts off what a crash left half-written. Undefined when not even its header is
 * whole. Synchronous: it reads a few records in all but the rarest case, and the log is usable when it returns.
 */
export function recoverLogFile(path: string): LogTail | undefined {
  const descriptor = openSync(path, 'r+');
  try {
    const header = decodeFileHeader(readAt(descriptor, 0, fileHeaderBytes));
    if (header === undefined) return undefined;
    const size = fstatSync(descriptor).size;
    const bytes = endsWhole(descriptor, size, header) ? size : lastWhole(descriptor, size, header);
    if (bytes < size) ftruncateSync(descriptor, bytes);
    return { salt: header.salt, bytes, ...offsetsBefore(descriptor, bytes, header) };
  } finally {
    closeSync(descriptor);
  }
}

function endsWhole(descriptor: number, size: number, header: FileHeader): boolean {
  if (size === fileHeaderBytes) return true;
  const window = readAt(descriptor, Math.max(0, size - maxDataBytes - recordOverhead), size);
  const bytes = recordBytesBefore(window, window.length);
  if (bytes === undefined || bytes > window.length || size - bytes < fileHeaderBytes) return false;
  return isRecordIntact(window, window.length - bytes, header.salt);
}

/** The end of the last whole record, counted from the file's begin. */
function lastWhole(descriptor: number, size: number, header: FileHeader): number {
  let position = fileHeaderBytes;
  while (position < size) {
    const window = readAt(descriptor, position, Math.min(size, position + 8 * maxDataBytes));
    let at = 0;
    for (;;) {
      const bytes = recordBytesAt(window, at);
      if (bytes === undefined || at + bytes > window.length) break;
      if (!isRecordIntact(window, at, header.salt)) return position + at;
      at += bytes;
    }
    if (at === 0) return position;
    position += at;
  }
  return position;
}

/** Both streams' ends, from the records before `end`, newest first, as far back as needed. */
function offsetsBefore(
  descriptor: number,
  end: number,
  header: FileHeader,
): { stdoutEnd: bigint; stderrEnd: bigint; ended: boolean } {
  const found = new Map<string, bigint>();
  let latest: string | undefined;
  let position = end;
  while (position > fileHeaderBytes && found.size < 2) {
    const start = Math.max(fileHeaderBytes, position - 2 * maxDataBytes);
    const window = readAt(descriptor, start, position);
    let at = window.length;
    while (found.size < 2) {
      const bytes = recordBytesBefore(window, at);
      if (bytes === undefined || bytes > at) break;
      const record = decodeRecord(window, at - bytes);
      if (record === undefined) break;
      latest ??= record.kind;
      at -= bytes;
      if (record.kind === 'begin')
        for (const stream of ['stdout', 'stderr']) found.set(stream, found.get(stream) ?? 0n);
      else if (record.kind !== 'end' && !found.has(record.kind))
        found.set(record.kind, record.offset + BigInt(record.data.length));
    }
    if (at === window.length) break;
    position = start + at;
  }
  return {
    stdoutEnd: found.get('stdout') ?? header.stdoutEnd,
    stderrEnd: found.get('stderr') ?? header.stderrEnd,
    ended: latest === 'end',
  };
}

/** Fewer bytes when the file ends before. */
function readAt(descriptor: number, start: number, end: number): Buffer {
  const buffer = Buffer.alloc(end - start);
  let done = 0;
  while (done < buffer.length) {
    const bytes = readSync(descriptor, buffer, done, buffer.length - done, start + done);
    if (bytes === 0) break;
    done += bytes;
  }
  return buffer.subarray(0, done);
}
