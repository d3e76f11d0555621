/** Which capabilities a container's processes have: Docker's default set, and what was added and dropped. */
import { EngineError } from '../errors/engine-error.ts';

export const allCapabilities: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
];

const defaultCapabilities: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
];

export interface CapabilityRequest {
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
}

/**
 * Names without CAP_. `ALL` stands for every one: added ALL is cut down by what is dropped, dropped ALL leaves what is
 * added. Throws `invalid_argument` for a name that Linux does not have.
 */
export function resolveCapabilities(request: CapabilityRequest): readonly string[] {
  const add = request.capAdd.map(parseCapability);
  const drop = request.capDrop.map(parseCapability);
  if (request.privileged) return allCapabilities;
  if (add.includes('ALL')) return allCapabilities.filter((name) => !drop.includes(name));
  const base = drop.includes('ALL') ? [] : defaultCapabilities.filter((name) => !drop.includes(name));
  return allCapabilities.filter((name) => base.includes(name) || add.includes(name));
}

function parseCapability(text: string): string {
  const name = text.toUpperCase().replace(/^CAP_/, '');
  if (name !== 'ALL' && !allCapabilities.includes(name))
    throw new EngineError('invalid_argument', `unknown capability: "${text}"`);
  return name;
}
