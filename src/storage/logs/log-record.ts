/**
 * The format of a log file. A file has a header and then records, each a chunk as it came from the guest:
 *
 *   header   magic[8], u32 version, u32 salt, u64 stdout end, u64 stderr end (at the file's begin), padding to 40
 *   record   u32 length, u8 kind, 3 zeros, u64 time (ns since the epoch), u64 offset; data; u32 check, u32 length
 *
 * Little endian. `offset` counts the stream's bytes since the process started. The length stands at both ends, so a
 * log can be read from its end. `check` is a CRC-32 that starts from the file's random salt: what a container writes
 * can never pass for a record after a torn one.
 */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { OutputStream } from '../../engine/ports/log-store.ts';

export const fileHeaderBytes = 40;
export const recordHeaderBytes = 24;
export const recordTrailerBytes = 8;
export const recordOverhead = recordHeaderBytes + recordTrailerBytes;
/** Of data in one record; longer chunks are cut. */
export const maxDataBytes = 128 << 10;

const magic = Buffer.from('DVMLOG\r\n', 'latin1');
const version = 1;

/** `begin`: a process starts, offsets begin at 0. `end`: its output has ended. */
export type RecordKind = OutputStream | 'begin' | 'end';

const kindNumbers = { stdout: 1, stderr: 2, begin: 3, end: 4 } satisfies Record<RecordKind, number>;
const kinds: readonly (RecordKind | undefined)[] = [undefined, 'stdout', 'stderr', 'begin', 'end'];

export interface FileHeader {
  readonly salt: number;
  readonly stdoutEnd: bigint;
  readonly stderrEnd: bigint;
}

export interface LogRecord {
  readonly kind: RecordKind;
  readonly timeNs: bigint;
  readonly offset: bigint;
  readonly data: Buffer;
}

export function newSalt(): number {
  return randomBytes(4).readUInt32LE();
}

export function encodeFileHeader(header: FileHeader): Buffer {
  const buffer = Buffer.alloc(fileHeaderBytes);
  magic.copy(buffer);
  buffer.writeUInt32LE(version, 8);
  buffer.writeUInt32LE(header.salt, 12);
  buffer.writeBigUInt64LE(header.stdoutEnd, 16);
  buffer.writeBigUInt64LE(header.stderrEnd, 24);
  return buffer;
}

/** Undefined when these are not the first bytes of a log file that this version can read. */
export function decodeFileHeader(buffer: Buffer): FileHeader | undefined {
  if (buffer.length < fileHeaderBytes || !buffer.subarray(0, 8).equals(magic)) return undefined;
  if (buffer.readUInt32LE(8) !== version) return undefined;
  return {
    salt: buffer.readUInt32LE(12),
    stdoutEnd: buffer.readBigUInt64LE(16),
    stderrEnd: buffer.readBigUInt64LE(24),
  };
}

/** The record's parts, for a gathering write: the data is not copied. */
export function encodeRecord(record: LogRecord, salt: number): readonly Buffer[] {
  const { data } = record;
  const header = Buffer.alloc(recordHeaderBytes);
  header.writeUInt32LE(data.length, 0);
  header.writeUInt8(kindNumbers[record.kind], 4);
  header.writeBigUInt64LE(record.timeNs, 8);
  header.writeBigUInt64LE(record.offset, 16);
  const trailer = Buffer.allocUnsafe(recordTrailerBytes);
  trailer.writeUInt32LE(crc32(data, crc32(header, salt)), 0);
  trailer.writeUInt32LE(data.length, 4);
  return [header, data, trailer];
}

/** The bytes of the record that starts at `at`; undefined when its header is not whole or not one of a record. */
export function recordBytesAt(buffer: Buffer, at: number): number | undefined {
  if (buffer.length - at < recordHeaderBytes) return undefined;
  const length = buffer.readUInt32LE(at);
  return length > maxDataBytes ? undefined : length + recordOverhead;
}

/** The bytes of the record that ends at `end`; undefined when that is not the end of one. */
export function recordBytesBefore(buffer: Buffer, end: number): number | undefined {
  if (end < recordOverhead) return undefined;
  const length = buffer.readUInt32LE(end - 4);
  return length > maxDataBytes ? undefined : length + recordOverhead;
}

/** A record that is whole in the buffer. Undefined when it is none. The data is a view of the buffer. */
export function decodeRecord(buffer: Buffer, at: number): LogRecord | undefined {
  const bytes = recordBytesAt(buffer, at);
  if (bytes === undefined || at + bytes > buffer.length) return undefined;
  const length = bytes - recordOverhead;
  const kind = kinds[buffer[at + 4] ?? 0];
  if (kind === undefined || buffer.readUInt32LE(at + bytes - 4) !== length) return undefined;
  return {
    kind,
    timeNs: buffer.readBigUInt64LE(at + 8),
    offset: buffer.readBigUInt64LE(at + 16),
    data: buffer.subarray(at + recordHeaderBytes, at + recordHeaderBytes + length),
  };
}

/** Whether the whole record at `at` is what was once written. */
export function isRecordIntact(buffer: Buffer, at: number, salt: number): boolean {
  const record = decodeRecord(buffer, at);
  if (record === undefined) return false;
  const checkAt = at + recordHeaderBytes + record.data.length;
  return crc32(buffer.subarray(at, checkAt), salt) === buffer.readUInt32LE(checkAt);
}
