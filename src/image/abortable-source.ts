/** A client's upload, which may never send another byte: reading it ends when the signal says so. */
import { orAborted } from '../system/deadline.ts';

export async function* abortable(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let waiting = false;
  try {
    for (;;) {
      waiting = true;
      const next = await orAborted(iterator.next(), signal);
      waiting = false;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // A source that is still waiting for its client ends when it does; there is nobody left to tell how.
    const ended = Promise.resolve(iterator.return?.());
    if (waiting) ended.catch(() => undefined);
    else await ended;
  }
}
