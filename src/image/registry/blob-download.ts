/**
 * A layer's bytes from the registry, going on where an earlier attempt stopped: within one pull after a broken
 * connection, and across pulls and daemons by the spool file that keeps what has come so far.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import type { Digest } from '../../oci/digest.ts';
import { writeFailure } from '../write-failure.ts';
import { waitBeforeRetry, type RetryPolicy } from './backoff.ts';
import type { HttpResponse } from './http-client.ts';
import type { RepositoryClient } from './repository-client.ts';

const spoolReadBytes = 256 * 1024;

export interface BlobDownload {
  readonly client: RepositoryClient;
  readonly digest: Digest;
  readonly size: number;
  readonly spoolPath: string;
  readonly what: string;
  readonly retry: RetryPolicy;
  /** Bytes handed on so far. */
  readonly onProgress: (current: number) => void;
  /** How many bytes came from the spool: when the digest is wrong, they may be why. */
  readonly onResume: (bytes: number) => void;
}

/** The whole blob, in order; not verified. The spool stays: whoever has verified the blob removes it. */
export async function* downloadBlob(download: BlobDownload, signal: AbortSignal): AsyncGenerator<Buffer> {
  await using spool = await open(download.spoolPath, 'a+', 0o600);
  let offset = 0;
  for await (const chunk of spooled(spool, download)) {
    offset += chunk.length;
    download.onProgress(offset);
    yield chunk;
  }
  let failures = 0;
  while (offset < download.size) {
    signal.throwIfAborted();
    const before = offset;
    try {
      for await (const chunk of transfer(download, offset, signal)) {
        await append(spool, chunk, download.what);
        offset += chunk.length;
        download.onProgress(offset);
        yield chunk;
      }
    } catch (error) {
      signal.throwIfAborted();
      failures = offset > before ? 1 : failures + 1;
      if (!isBroken(error) || failures >= download.retry.attempts) throw error;
      await waitBeforeRetry(download.retry, failures, undefined, signal);
    }
  }
}

async function* spooled(spool: FileHandle, download: BlobDownload): AsyncGenerator<Buffer> {
  const { size } = await spool.stat();
  // Longer than the blob: not a beginning of it.
  if (size > download.size) await spool.truncate(0);
  if (size === 0 || size > download.size) return;
  download.onResume(size);
  for (let at = 0; at < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(spoolReadBytes, size - at));
    const { bytesRead } = await spool.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0)
      throw new EngineError('internal', `spool file of ${download.what} became shorter while it was read`);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function append(spool: FileHandle, chunk: Buffer, what: string): Promise<void> {
  try {
    await spool.appendFile(chunk);
  } catch (error) {
    throw writeFailure(what, error);
  }
}

/** What one request brings, from `offset` on. */
async function* transfer(
  download: BlobDownload,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const response = await download.client.blob(download.digest, offset, download.what, signal);
  // A registry that does not know ranges sends everything again.
  let skip = offset;
  if (response.status === 206) {
    const start = /^bytes (\d{1,16})-/.exec(response.header('content-range') ?? '')?.[1];
    if (start === undefined || Number(start) !== offset) {
      response.stream.destroy();
      throw new EngineError(
        'data_loss',
        `${download.what}: the registry sent another part (${response.header('content-range') ?? 'none'}) than bytes ${offset} and on`,
      );
    }
    skip = 0;
  }
  let left = download.size - offset;
  try {
    for await (const chunk of response.stream as AsyncIterable<Buffer>) {
      const rest = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - rest.length;
      if (rest.length > left)
        throw new EngineError(
          'data_loss',
          `${download.what} is longer than the ${download.size} bytes its manifest says`,
        );
      left -= rest.length;
      if (rest.length > 0) yield rest;
    }
    if (left > 0) throw tooShort(download, download.size - left, response);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof EngineError) throw error;
    throw new EngineError(
      'unavailable',
      `${download.what}: the connection to ${response.url.host} broke: ${messageOf(error)}`,
      { cause: error },
    );
  } finally {
    response.stream.destroy();
  }
}

/** A response that ends as it announced is all there is; one without an announced end may have been cut. */
function tooShort(download: BlobDownload, bytes: number, response: HttpResponse): EngineError {
  const isComplete =
    (response.header('content-length') ?? response.header('transfer-encoding')) !== undefined;
  return isComplete
    ? new EngineError('data_loss', `${download.what} has ${bytes} bytes, its manifest says ${download.size}`)
    : new EngineError(
        'unavailable',
        `${download.what}: ${response.url.host} closed the connection after ${bytes} of ${download.size} bytes`,
      );
}

function isBroken(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'unavailable';
}
