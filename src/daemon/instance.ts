/** What two daemons on one host must not share besides their directories: a control group and user ids. */
import { createHash } from 'node:crypto';
import type { DaemonConfig } from './config.ts';

const standardStateDirectory = '/run/dvm';
/** See uid-allocator.ts: the range that systemd leaves unused, in pieces of this size. The first is the standard daemon's. */
const firstUid = 2_000_000_000;
const uidsPerDaemon = 65_536;
const otherPieces = 2200;

export interface Instance {
  readonly cgroupName: string;
  readonly uids: { readonly base: number; readonly count: number };
}

/** A daemon with a state directory of its own gets a name and a range by that directory's path. */
export function instanceOf({
  stateDirectory,
  uids,
}: Pick<DaemonConfig, 'stateDirectory' | 'uids'>): Instance {
  if (stateDirectory === standardStateDirectory)
    return { cgroupName: 'dvm', uids: uids ?? { base: firstUid, count: uidsPerDaemon } };
  const hash = createHash('sha256').update(stateDirectory).digest();
  const piece = 1 + (hash.readUInt32BE(0) % otherPieces);
  return {
    cgroupName: `dvm-${hash.toString('hex', 0, 6)}`,
    uids: uids ?? { base: firstUid + piece * uidsPerDaemon, count: uidsPerDaemon },
  };
}
