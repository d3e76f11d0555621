import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { writeFileAtomically } from '../system/atomic-file.ts';
import { isErrno } from '../system/errno.ts';

/** This daemon's own id, made once and kept in the data directory. */
export async function readDaemonId(dataDirectory: string): Promise<string> {
  const path = join(dataDirectory, 'daemon-id');
  try {
    const id = readFileSync(path, 'utf8').trim();
    if (id !== '') return id;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const id = randomUUID();
  await writeFileAtomically(path, `${id}\n`);
  return id;
}
