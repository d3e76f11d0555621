/** Unix sockets whose descriptors are ours, so that they can be inherited by a child or carry descriptors. */
import { openSync, closeSync, chmodSync } from 'node:fs';
import { Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { isErrno } from './errno.ts';
import {
  bindUnix,
  closeDescriptor,
  connectUnix,
  listenUnix,
  maxSocketPathBytes,
  unixSocket,
} from './libc.ts';

/** An open descriptor; disposing it closes it, once. */
export interface OwnedDescriptor extends Disposable {
  readonly fd: number;
}

/** A client's connection whose descriptor is known: `pass-descriptor.ts` needs both. */
export interface UnixConnection {
  readonly socket: Socket;
  readonly fd: number;
}

/** Listens on `path` (which must not exist), for root only; whoever inherits the descriptor accepts. */
export function listenOnUnixSocket(path: string, backlog: number): OwnedDescriptor {
  const owned = ownDescriptor(unixSocket());
  try {
    withShortPath(path, (short) => bindUnix(owned.fd, short));
    chmodSync(path, 0o600);
    listenUnix(owned.fd, backlog);
    return owned;
  } catch (error) {
    owned[Symbol.dispose]();
    throw new EngineError('internal', `cannot listen on ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Connects to a listening socket. A Unix connection is made at once or not at all: `unavailable` when nobody listens
 * any more or the listener's queue is full.
 */
export function connectToUnixSocket(path: string): UnixConnection {
  const fd = unixSocket();
  try {
    withShortPath(path, (short) => connectUnix(fd, short));
    return { socket: new Socket({ fd, readable: true, writable: true }), fd };
  } catch (error) {
    closeDescriptor(fd);
    const why = isErrno(error, 'ECONNREFUSED', 'ENOENT') ? 'nobody listens there' : messageOf(error);
    throw new EngineError('unavailable', `cannot connect to ${path}: ${why}`, { cause: error });
  }
}

export function ownDescriptor(fd: number): OwnedDescriptor {
  let closed = false;
  return {
    fd,
    [Symbol.dispose]: () => {
      if (closed) return;
      closed = true;
      closeDescriptor(fd);
    },
  };
}

/** A socket's address holds 107 bytes; a longer path is reached through its directory's descriptor. */
function withShortPath(path: string, use: (short: string) => void): void {
  if (Buffer.byteLength(path) <= maxSocketPathBytes) {
    use(path);
    return;
  }
  const directory = openSync(dirname(path), 'r');
  try {
    use(`/proc/self/fd/${directory}/${basename(path)}`);
  } finally {
    closeSync(directory);
  }
}
