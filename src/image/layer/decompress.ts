/** Layers and archives as they come: plain, gzip or zstd, told apart by their first bytes. */
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import type { Compression } from '../../oci/media-types.ts';

const chunkBytes = 256 * 1024;
/** zstd's own default limit, 128 MiB: what a frame may make its reader keep. */
const windowLogMax = 27;

export function detectCompression(head: Buffer): Compression {
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head.length < 4) return 'none';
  const word = head.readUInt32LE(0);
  // A zstd frame, or a skippable one in front of it.
  return word === 0xfd2fb528 || (word & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'none';
}

/** The first `wanted` bytes (fewer when there are no more), and all bytes including these. */
export async function peek(
  source: AsyncIterable<Uint8Array>,
  wanted: number,
): Promise<{ head: Buffer; rest: AsyncGenerator<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]();
  const held: Buffer[] = [];
  let bytes = 0;
  while (bytes < wanted) {
    const next = await iterator.next();
    if (next.done === true) break;
    const chunk = asBuffer(next.value);
    held.push(chunk);
    bytes += chunk.length;
  }
  return { head: Buffer.concat(held).subarray(0, wanted), rest: replay(held, iterator) };
}

async function* replay(held: readonly Buffer[], iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Buffer> {
  try {
    yield* held;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
      yield asBuffer(next.value);
  } finally {
    await iterator.return?.();
  }
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The decompressed bytes. Decompression runs in the thread pool. `what` names the data in errors. */
export async function* decompressed(
  source: AsyncIterable<Buffer>,
  compression: Compression,
  what: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (compression === 'none') {
    yield* source;
    return;
  }
  const transform = decompressor(compression);
  // Its outcome is awaited below; until then a failure only ends the loop.
  const fed = pipeline(Readable.from(source, { objectMode: false }), transform, { signal }).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  try {
    for await (const chunk of transform as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    transform.destroy();
    signal.throwIfAborted();
    const failed = await fed;
    throw asCorruption(failed?.error ?? error, compression, what);
  } finally {
    transform.destroy();
    await fed;
  }
  const failed = await fed;
  if (failed !== undefined) throw asCorruption(failed.error, compression, what);
}

function decompressor(compression: 'gzip' | 'zstd'): Transform {
  return compression === 'gzip'
    ? createGunzip({ chunkSize: chunkBytes })
    : createZstdDecompress({
        chunkSize: chunkBytes,
        params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
      });
}

/** What zlib says about bad data; what the source says (a broken transfer) stays as it is. */
function asCorruption(error: unknown, compression: Compression, what: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!/^(?:Z_|ZSTD_|ERR_ZLIB|ERR_BUFFER)/.test(code)) return error;
  return new EngineError('data_loss', `${what} is corrupt: ${compression} says "${messageOf(error)}"`, {
    cause: error,
  });
}
