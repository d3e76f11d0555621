/** A layer becomes EROFS while it streams: digest → gunzip or zstd → diff ID → tar → image, in one pass. */
import { createHash, type Hash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { EngineError } from '../../errors/engine-error.ts';
import { sha256Digest, type Digest } from '../../oci/digest.ts';
import type { Compression } from '../../oci/media-types.ts';
import { ErofsWriter } from '../erofs/erofs-writer.ts';
import { TarReader } from '../tar/tar-reader.ts';
import { asBuffer, decompressed, detectCompression, peek } from './decompress.ts';
import { LayerBuilder } from './layer-builder.ts';
import type { LayerLimits } from './layer-limits.ts';

export interface LayerSource {
  /** Names the layer in errors. */
  readonly what: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** How its media type says it is compressed. */
  readonly compression: Compression | 'any';
  /** What it must turn out to be, where that is known. */
  readonly expected?: { readonly digest?: Digest; readonly size?: number; readonly diffId?: Digest };
  /** Everything has come and is what it should be; the metadata is still to be written. */
  readonly onVerified?: () => void;
}

export interface ConvertedLayer {
  /** Of the bytes as they came. */
  readonly digest: Digest;
  readonly blobBytes: number;
  readonly diffId: Digest;
  readonly tarBytes: number;
  readonly fileBytes: number;
}

/**
 * Writes the image to `path`, which must not exist, flushed to the disk and mode 0444. When it throws, the file is gone.
 * `data_loss`: digest, size or diff ID differ, or the data is corrupt; `resource_exhausted`: a limit or the disk.
 */
export async function convertLayer(
  source: LayerSource,
  path: string,
  limits: LayerLimits,
  signal: AbortSignal,
): Promise<ConvertedLayer> {
  await using file = await open(path, 'wx', 0o600);
  const writer = new ErofsWriter(file, source.what, limits.tailBudgetBytes);
  try {
    const read = await readInto(writer, source, limits, signal);
    verify(source, read);
    source.onVerified?.();
    signal.throwIfAborted();
    const fileBytes = await writer.finish();
    await file.chmod(0o444);
    await file.sync();
    return { ...read, fileBytes };
  } catch (error) {
    // Its own failure, if any, is the one in flight already.
    await writer.abandon().catch(() => undefined);
    await rm(path, { force: true });
    throw error;
  }
}

async function readInto(
  writer: ErofsWriter,
  source: LayerSource,
  limits: LayerLimits,
  signal: AbortSignal,
): Promise<Omit<ConvertedLayer, 'fileBytes'>> {
  const blobHash = createHash('sha256');
  const progress = { blobBytes: 0 };
  const { head, rest } = await peek(counted(source.bytes, blobHash, progress, source), 4);
  const compression = detectCompression(head);
  if (source.compression !== 'any' && source.compression !== compression) {
    throw new EngineError(
      'data_loss',
      `${source.what} is ${describe(compression)}, but its media type says ${describe(source.compression)}`,
    );
  }
  const builder = new LayerBuilder(writer, limits);
  const reader = new TarReader(builder);
  // What is not compressed has one digest, not two.
  const tarHash = compression === 'none' ? undefined : createHash('sha256');
  let tarBytes = 0;
  for await (const chunk of decompressed(rest, compression, source.what, signal)) {
    signal.throwIfAborted();
    tarBytes += chunk.length;
    checkExpansion(tarBytes, progress.blobBytes, limits, source.what);
    tarHash?.update(chunk);
    named(source.what, () => reader.push(chunk));
    await writer.drained();
  }
  named(source.what, () => reader.finish());
  builder.finish();
  const digest = sha256Digest(blobHash.digest('hex'));
  const diffId = tarHash === undefined ? digest : sha256Digest(tarHash.digest('hex'));
  return { digest, blobBytes: progress.blobBytes, diffId, tarBytes };
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  hash: Hash,
  progress: { blobBytes: number },
  source: LayerSource,
): AsyncGenerator<Buffer> {
  const expectedBytes = source.expected?.size ?? Number.POSITIVE_INFINITY;
  for await (const chunk of bytes) {
    progress.blobBytes += chunk.byteLength;
    if (progress.blobBytes > expectedBytes)
      throw new EngineError(
        'data_loss',
        `${source.what} is longer than the ${expectedBytes} bytes its manifest says`,
      );
    hash.update(chunk);
    yield asBuffer(chunk);
  }
}

function checkExpansion(tarBytes: number, blobBytes: number, limits: LayerLimits, what: string): void {
  if (tarBytes > limits.maxBytes)
    throw new EngineError(
      'resource_exhausted',
      `${what} is larger than ${limits.maxBytes} bytes uncompressed`,
    );
  if (tarBytes > limits.ratioFreeBytes && tarBytes > blobBytes * limits.maxExpansionRatio) {
    throw new EngineError(
      'resource_exhausted',
      `${what} grows to more than ${limits.maxExpansionRatio} times its compressed size`,
    );
  }
}

function verify(source: LayerSource, read: Omit<ConvertedLayer, 'fileBytes'>): void {
  const { expected, what } = source;
  if (expected?.size !== undefined && read.blobBytes !== expected.size) {
    throw new EngineError(
      'data_loss',
      `${what} has ${read.blobBytes} bytes, its manifest says ${expected.size}`,
    );
  }
  if (expected?.digest !== undefined && read.digest !== expected.digest) {
    throw new EngineError(
      'data_loss',
      `filesystem layer verification failed for digest ${expected.digest}: ${what} has the digest ${read.digest}`,
    );
  }
  if (expected?.diffId !== undefined && read.diffId !== expected.diffId) {
    throw new EngineError(
      'data_loss',
      `${what} has the diff ID ${read.diffId}, but the image's config says ${expected.diffId}`,
    );
  }
}

/** Puts the layer's name in front of what its content is refused for. */
function named(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof EngineError)
      throw new EngineError(error.code, `${what}: ${error.message}`, { cause: error });
    throw error;
  }
}

function describe(compression: Compression): string {
  return compression === 'none' ? 'not compressed' : `compressed with ${compression}`;
}
