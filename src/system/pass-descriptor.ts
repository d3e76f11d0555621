/** Sends bytes with an open file attached over a Unix socket (SCM_RIGHTS). */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { orAborted } from './deadline.ts';
import { isErrno } from './errno.ts';
import { sendWithDescriptor } from './libc.ts';
import type { UnixConnection } from './unix-socket.ts';

/**
 * Resolves when all bytes are on their way, the descriptor with the first of them. Nobody else may write to the
 * connection meanwhile. The descriptor stays the caller's and may be closed afterwards.
 */
export async function writeWithDescriptor(
  connection: UnixConnection,
  bytes: Buffer,
  descriptor: number,
  signal: AbortSignal,
): Promise<void> {
  // What Node still holds back has to go first, or the order of the bytes would change.
  if (connection.socket.writableLength > 0) await orAborted(once(connection.socket, 'drain'), signal);
  for (;;) {
    signal.throwIfAborted();
    if (connection.socket.destroyed) throw new Error('the connection is closed'); // its descriptor may be another's by now
    try {
      const sent = sendWithDescriptor(connection.fd, bytes, descriptor);
      if (sent < bytes.length) connection.socket.write(bytes.subarray(sent));
      return;
    } catch (error) {
      if (!isErrno(error, 'EAGAIN', 'EINTR')) throw error;
    }
    await delay(2, undefined, { signal }); // the peer's buffer is full; there is no event for that outside of the socket
  }
}
