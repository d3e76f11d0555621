/** Where the daemon listens. Only Unix sockets: the API hands out root's powers, so it is not offered on a network. */
import { resolve } from 'node:path';
import { EngineError } from '../errors/engine-error.ts';

export const defaultSocketPath = '/run/dvm/dvm.sock';

export interface Endpoint {
  readonly socketPath: string;
}

/** `unix:///path`, an absolute or a relative path. Throws `invalid_argument` for any other scheme. */
export function parseEndpoint(text: string): Endpoint {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'unix') {
    throw new EngineError(
      'unimplemented',
      `cannot connect to "${text}": ${scheme}:// is not supported; give a Unix socket, such as unix://${defaultSocketPath}`,
    );
  }
  const path = scheme === undefined ? text : text.slice('unix://'.length);
  if (path === '' || path.includes('\0')) {
    throw new EngineError(
      'invalid_argument',
      `"${text}" names no socket; an example: unix://${defaultSocketPath}`,
    );
  }
  return { socketPath: resolve(path) };
}
