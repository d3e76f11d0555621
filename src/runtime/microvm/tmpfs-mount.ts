/** Docker's --tmpfs options as mount flags and tmpfs options. */
import { EngineError } from '../../errors/engine-error.ts';
import type { MountSpec } from '../../engine/ports/pod-runtime.ts';

/** MS_* of linux/mount.h that an option sets or clears. */
const flags: Readonly<Record<string, { readonly set?: bigint; readonly clear?: bigint }>> = {
  ro: { set: 1n },
  rw: { clear: 1n },
  nosuid: { set: 2n },
  suid: { clear: 2n },
  nodev: { set: 4n },
  dev: { clear: 4n },
  noexec: { set: 8n },
  exec: { clear: 8n },
  sync: { set: 16n },
  async: { clear: 16n },
  noatime: { set: 1024n },
  atime: { clear: 1024n },
  nodiratime: { set: 2048n },
  diratime: { clear: 2048n },
  relatime: { set: 1n << 21n },
  norelatime: { clear: 1n << 21n },
  strictatime: { set: 1n << 24n },
  nostrictatime: { clear: 1n << 24n },
};
const values: Readonly<Record<string, RegExp>> = {
  size: /^\d+[kmg%]?$/i,
  mode: /^[0-7]{1,4}$/,
  uid: /^\d+$/,
  gid: /^\d+$/,
  nr_inodes: /^\d+[kmg]?$/i,
  nr_blocks: /^\d+[kmg]?$/i,
};
/** nosuid, nodev, noexec: what Docker gives a tmpfs that does not say otherwise. */
const defaultFlags = 2n | 4n | 8n;

export function tmpfsFlagsAndOptions(mount: MountSpec): { flags: bigint; options: string } {
  let bits = defaultFlags;
  const options: string[] = [];
  for (const option of mount.options) {
    const flag = Object.hasOwn(flags, option) ? flags[option] : undefined;
    if (flag !== undefined) {
      bits = (bits | (flag.set ?? 0n)) & ~(flag.clear ?? 0n);
      continue;
    }
    const [name = '', value = ''] = option.split('=', 2);
    const valid = Object.hasOwn(values, name) ? values[name] : undefined;
    if (valid?.test(value) !== true) {
      throw new EngineError('invalid_argument', `tmpfs ${mount.target}: invalid option "${option}"`);
    }
    options.push(`${name}=${value}`);
  }
  return { flags: bits, options: options.join(',') };
}
