/** Names of a layer's members, taken apart without ever meeting the host's file system. */
import { EngineError } from '../../errors/engine-error.ts';
import { printable } from '../tar/tar-entry.ts';

const nameMaxBytes = 255;
const pathMaxBytes = 4096;

/**
 * The components below the layer's root. As Docker does, a leading "/" is dropped and "." and ".." are resolved by the
 * letters; a name that would leave the root is refused. `what` names it in errors.
 */
export function splitLayerPath(
  name: string,
  maxDepth: number,
  what = `archive entry "${printable(name)}"`,
): string[] {
  if (name.length > pathMaxBytes)
    throw new EngineError('invalid_argument', `${what} has a name of more than ${pathMaxBytes} bytes`);
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (parts.pop() === undefined)
        throw new EngineError('invalid_argument', `${what} leaves the root of the layer`);
      continue;
    }
    if (part.length > nameMaxBytes)
      throw new EngineError('invalid_argument', `${what} has a component of more than ${nameMaxBytes} bytes`);
    if (part.includes('\0')) throw new EngineError('invalid_argument', `${what} has a NUL byte in its name`);
    parts.push(part);
  }
  if (parts.length > maxDepth) {
    throw new EngineError(
      'resource_exhausted',
      `${what} is ${parts.length} directories deep; the limit is ${maxDepth}`,
    );
  }
  return parts;
}
