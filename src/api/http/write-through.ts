import type { Writable } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';

/**
 * Writes with back-pressure: a reader who does not read holds its source back. Undefined: there is room for more at
 * once; else resolves when there is. Rejects (`canceled`) when the reader has gone.
 */
export function writeThrough(
  stream: Writable,
  ...chunks: readonly (Uint8Array | string)[]
): Promise<void> | undefined {
  if (stream.destroyed || stream.writableEnded) return Promise.reject(readerGone());
  stream.cork();
  for (const chunk of chunks) stream.write(chunk);
  stream.uncork();
  if (!stream.writableNeedDrain) return undefined;
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      stream.off('drain', onDrain);
      stream.off('close', onClose);
      done();
    };
    const onDrain = () => settle(resolve);
    const onClose = () => settle(() => reject(readerGone()));
    stream.on('drain', onDrain);
    stream.on('close', onClose);
  });
}

function readerGone(): EngineError {
  return new EngineError('canceled', 'the client closed the connection');
}
