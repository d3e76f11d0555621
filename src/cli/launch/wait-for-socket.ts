/** Until somebody listens on a socket. */
import { watch } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { EngineError } from '../../errors/engine-error.ts';

export interface SocketWait extends Disposable {
  /** Rejects with `deadline_exceeded`. */
  readonly answered: Promise<unknown>;
}

/** Between bind and listen a socket exists and refuses, and nothing announces the second: it is tried again after this. */
const retryMs = 20;

/** The directory must exist. Dispose to stop waiting. */
export function waitForSocket(socketPath: string, deadlineMs: number): SocketWait {
  const { promise: answered, resolve, reject } = Promise.withResolvers<undefined>();
  let retry: NodeJS.Timeout | undefined;
  const attempt = () => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => {
      const code = 'code' in error ? error.code : undefined;
      if (code === 'ECONNREFUSED' || code === 'EAGAIN') retry = setTimeout(attempt, retryMs);
      else if (code !== 'ENOENT') reject(error);
    });
  };
  const watcher = watch(dirname(socketPath), attempt);
  watcher.once('error', reject);
  const deadline = setTimeout(() => {
    reject(
      new EngineError(
        'deadline_exceeded',
        `the DVM daemon was started and does not answer on ${socketPath} after ${deadlineMs / 1000} s`,
      ),
    );
  }, deadlineMs);
  const stop = () => {
    clearTimeout(deadline);
    clearTimeout(retry);
    watcher.close();
  };
  attempt();
  return { answered, [Symbol.dispose]: stop };
}
