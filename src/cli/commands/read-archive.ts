/** The archive that `load` and `import` send: a file, or stdin. */
import { createReadStream, statSync } from 'node:fs';
import { ExitError } from '../exit-error.ts';
import { openStandardInput } from '../terminal/standard-input.ts';

/** `path` of '' or '-' is stdin. Throws before anything is sent when it cannot be read. */
export function readArchive(path: string): AsyncIterable<Uint8Array> {
  if (path === '' || path === '-') return readStandardInput();
  try {
    if (statSync(path).isDirectory())
      throw new ExitError(1, `cannot read ${path}: it is a directory, not an archive`);
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw missing ? new ExitError(1, `open ${path}: no such file or directory`, { cause: error }) : error;
  }
  return createReadStream(path, { highWaterMark: 256 * 1024 });
}

function readStandardInput(): AsyncIterable<Uint8Array> {
  const input = openStandardInput();
  if (!input.isTerminal) return input.chunks();
  input.close();
  throw new ExitError(1, 'requested load from stdin, but stdin is empty');
}
