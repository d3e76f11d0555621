/** Bodies of HTTP/1.1 responses: of a given length, chunked, or until the connection closes (RFC 9112, section 6.3). */
import { EngineError } from '../errors/engine-error.ts';
import type { ByteQueue } from './byte-queue.ts';
import type { ResponseHead } from './http-head.ts';

const maxChunkHeaderBytes = 1024;

/** Yields the body; the connection can be used again only if this came to its end and `isReusable`. */
export function readBody(bytes: ByteQueue, method: string, head: ResponseHead): AsyncGenerator<Buffer, void> {
  if (hasNoBody(method, head.status)) return nothing();
  if (head.headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return readChunked(bytes);
  const length = head.headers.get('content-length');
  return length === undefined ? readToEnd(bytes) : readLength(bytes, Number(length));
}

export function isReusable(method: string, head: ResponseHead): boolean {
  if (head.headers.get('connection')?.toLowerCase() === 'close') return false;
  return (
    hasNoBody(method, head.status) ||
    head.headers.has('content-length') ||
    head.headers.has('transfer-encoding')
  );
}

function hasNoBody(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304 || status < 200;
}

async function* nothing(): AsyncGenerator<Buffer, void> {
  // No body: nothing to yield.
}

async function* readToEnd(bytes: ByteQueue): AsyncGenerator<Buffer, void> {
  for (let chunk = await bytes.next(); chunk !== undefined; chunk = await bytes.next()) yield chunk;
}

async function* readLength(bytes: ByteQueue, length: number): AsyncGenerator<Buffer, void> {
  if (!Number.isSafeInteger(length) || length < 0) throw brokenAnswer('its Content-Length is not a number');
  let left = length;
  while (left > 0) {
    const chunk = (await bytes.next()) ?? endedEarly();
    const taken = chunk.subarray(0, left);
    bytes.unshift(chunk.subarray(taken.length));
    left -= taken.length;
    yield taken;
  }
}

async function* readChunked(bytes: ByteQueue): AsyncGenerator<Buffer, void> {
  for (;;) {
    const line = await readLine(bytes);
    const digits = line.split(';', 1)[0]?.trim() ?? '';
    if (!/^[0-9a-f]{1,8}$/i.test(digits)) throw brokenAnswer('a chunk has no length');
    const size = Number.parseInt(digits, 16);
    if (size === 0) break;
    yield* readLength(bytes, size);
    if ((await readLine(bytes)) !== '') throw brokenAnswer('a chunk is longer than it said');
  }
  while ((await readLine(bytes)) !== ''); // trailers
}

async function readLine(bytes: ByteQueue): Promise<string> {
  let text = '';
  for (;;) {
    const chunk = (await bytes.next()) ?? endedEarly();
    const end = chunk.indexOf(0x0a);
    if (end >= 0) {
      bytes.unshift(chunk.subarray(end + 1));
      text += chunk.toString('latin1', 0, end);
      return text.endsWith('\r') ? text.slice(0, -1) : text;
    }
    text += chunk.toString('latin1');
    if (text.length > maxChunkHeaderBytes) throw brokenAnswer('a line does not end');
  }
}

function endedEarly(): never {
  throw new EngineError(
    'unavailable',
    'the daemon closed the connection in the middle of its answer; was it stopped?',
  );
}

function brokenAnswer(why: string): EngineError {
  return new EngineError('internal', `the daemon's answer cannot be read: ${why}`);
}
