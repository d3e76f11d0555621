/** Docker's version prefix: /v1.24/… to /v1.51/…; a path without one means the newest. */
import { EngineError } from '../../errors/engine-error.ts';

export const apiVersion = '1.51';
export const minApiVersion = '1.24';

const prefix = /^\/v(\d{1,5})\.(\d{1,5})(?=\/|$)/;

/** The URL without the prefix; DVM's own `/dvm/v1` has none. */
export function withoutVersion(url: string): string {
  const path = url.replace(prefix, '');
  return path.startsWith('/') ? path : `/${path}`;
}

/** The minor number of 1.x that the client speaks; refuses versions that we do not, in Docker's words. */
export function minorVersionOf(url: string): number {
  const match = prefix.exec(url);
  if (match === null) return minorOf(apiVersion);
  const [, major, minor] = match;
  const asked = `${Number(major)}.${Number(minor)}`;
  if (Number(major) < 1 || (Number(major) === 1 && Number(minor) < minorOf(minApiVersion)))
    throw new EngineError(
      'invalid_argument',
      `client version ${asked} is too old. Minimum supported API version is ${minApiVersion}, please upgrade your client to a newer version`,
    );
  if (Number(major) > 1 || Number(minor) > minorOf(apiVersion))
    throw new EngineError(
      'invalid_argument',
      `client version ${asked} is too new. Maximum supported API version is ${apiVersion}`,
    );
  return Number(minor);
}

function minorOf(version: string): number {
  return Number(version.slice(version.indexOf('.') + 1));
}
