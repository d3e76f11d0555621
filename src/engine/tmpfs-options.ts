/** Options of `--tmpfs`, as Docker allows them. */
import { EngineError } from '../errors/engine-error.ts';

const flags = new Set(
  'ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave relatime norelatime strictatime nostrictatime'.split(
    ' ',
  ),
);
const propagation = new Set(
  'remount bind rbind unbindable runbindable private rprivate shared rshared slave rslave'.split(' '),
);
const values: Readonly<Record<string, RegExp>> = {
  size: /^\d+[kKmMgG%]?$/,
  mode: /^[0-7]{1,4}$/,
  uid: /^\d{1,10}$/,
  gid: /^\d{1,10}$/,
  nr_inodes: /^\d+[kKmMgG]?$/,
  nr_blocks: /^\d+[kKmMgG]?$/,
};

/** Throws `invalid_argument` which names the option. */
export function checkTmpfs(target: string, options: readonly string[]): void {
  if (!target.startsWith('/') || target === '/' || target.includes('\0')) {
    throw new EngineError(
      'invalid_argument',
      `invalid tmpfs target "${target}": it must be an absolute path, and not "/"`,
    );
  }
  for (const option of options) {
    const equals = option.indexOf('=');
    const key = equals < 0 ? option : option.slice(0, equals);
    const allowed =
      equals < 0
        ? flags.has(option) && !propagation.has(option)
        : values[key]?.test(option.slice(equals + 1)) === true;
    if (!allowed)
      throw new EngineError('invalid_argument', `invalid tmpfs option "${option}" for "${target}"`);
  }
}
