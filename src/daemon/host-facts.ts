import { readFileSync } from 'node:fs';
import { isErrno } from '../system/errno.ts';

/** "Debian GNU/Linux 12 (bookworm)", from os-release(5); "Linux" where there is none. */
export function readOperatingSystem(): string {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      const line = /^PRETTY_NAME=(.*)$/m.exec(readFileSync(path, 'utf8'))?.[1];
      if (line !== undefined) return line.replaceAll(/^["']|["']$/g, '');
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return 'Linux';
}

/** What containers find in /etc/resolv.conf. */
export function readResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}
