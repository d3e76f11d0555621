/**
 * The VMM's cage: a program that parses what a hostile guest writes must find nothing when it is broken into.
 *
 * QEMU is started as root with nothing inherited but its two listening sockets, in namespaces of its own and without an
 * environment. It opens its files, then takes an empty directory for its root and an unprivileged user (`-run-with`),
 * with system calls filtered (`-sandbox`) and no way to gain privileges; only then does the guest run. What it needs
 * later is handed to it as open descriptors.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import { isErrno } from '../../system/errno.ts';
import { setResourceLimit } from '../../system/libc.ts';
import type { Resource } from '../../system/libc.ts';
import { identifyProcess } from '../../system/process-identity.ts';
import { spawnInNamespaces } from '../../system/spawn-in-namespaces.ts';
import type { Namespace } from '../../system/spawn-in-namespaces.ts';
import { childVmmProcess } from './vmm-process.ts';
import type { VmmProcess } from './vmm-process.ts';

export const cageNamespaces: readonly Namespace[] = ['mnt', 'net', 'ipc', 'uts', 'pid', 'cgroup'];

/** No core dumps (they would hold the guest's memory), and room for its disks but not for a flood. */
const limits: Readonly<Record<Resource, number>> = { core: 0, nofile: 512, memlock: 0 };

/** Starts QEMU; rejects when there is no such program. `descriptors` become 3, 4, … and stay open here. */
export async function startInCage(
  program: string,
  args: readonly string[],
  descriptors: readonly number[],
): Promise<VmmProcess> {
  const child = spawnInNamespaces(cageNamespaces, program, args, {
    cwd: '/',
    env: {},
    detached: true, // a session of its own: no terminal, and it outlives us
    stdio: ['ignore', 'ignore', 'pipe', ...descriptors],
  });
  if (child.pid === undefined) throw await startFailure(child, program);
  const identity = identifyProcess(child.pid);
  if (identity === undefined) throw new EngineError('unavailable', `${program} ended at once`);
  const vmm = childVmmProcess(child, identity);
  try {
    for (const resource of ['core', 'nofile', 'memlock'] as const) {
      setResourceLimit(child.pid, resource, limits[resource]);
    }
  } catch (error) {
    // Gone already: whoever waits for it to answer reports what it said.
    if (!isErrno(error, 'ESRCH')) throw error;
  }
  return vmm;
}

async function startFailure(child: ChildProcess, program: string): Promise<EngineError> {
  const [error] = (await once(child, 'error')) as [Error];
  const missing = isErrno(error, 'ENOENT');
  return new EngineError(
    missing ? 'not_found' : 'unavailable',
    missing
      ? `there is no ${program}: install qemu-system-x86 (10.0; on Debian 12 from backports), see "dvm doctor"`
      : `cannot start ${program}: ${messageOf(error)}`,
    { cause: error },
  );
}
