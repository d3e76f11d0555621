/** The daemon's socket: for root and one group, in the place of a stale one, never of a live one. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { isErrno } from '../system/errno.ts';

/** Removes a socket that nobody listens on. Throws when somebody does, or when something else is in the place. */
export async function makeRoomForSocket(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new EngineError(
      'invalid_argument',
      `cannot listen on ${path}: there is something else that is no socket`,
    );
  if (await isServed(path))
    throw new EngineError(
      'failed_precondition',
      `cannot listen on ${path}: another daemon serves it; stop it, or give this one another --socket`,
    );
  unlinkSync(path);
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => {
      if (isErrno(error, 'ECONNREFUSED', 'ENOENT')) resolve(false);
      else if (isErrno(error, 'EAGAIN'))
        resolve(true); // its queue is full: somebody is there
      else
        reject(
          new EngineError('internal', `cannot see who serves ${path}: ${messageOf(error)}`, { cause: error }),
        );
    });
  });
}

/** Root and the group may use it. Without the group: root alone. Answers who may. */
export function permitSocket(path: string, group: string): string {
  const gid = findGroup(group);
  if (gid === undefined) {
    chmodSync(path, 0o600);
    return `its owner only (there is no group "${group}")`;
  }
  chownSync(path, -1, gid);
  chmodSync(path, 0o660);
  return `its owner and group ${group}`;
}

function findGroup(name: string): number | undefined {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const gid = Number(line?.split(':')[2]);
  return line === undefined || !Number.isInteger(gid) ? undefined : gid;
}
