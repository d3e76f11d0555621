/** Which size of machine a pod gets: few sizes, so that few templates serve all pods. */
import { EngineError } from '../../errors/engine-error.ts';
import type { Accelerator } from '../../engine/ports/vmm.ts';

const mebibyte = 1 << 20;
const gibibyte = 1 << 30;

export interface MachineSize {
  readonly memoryBytes: number;
  readonly vcpus: number;
}

export interface HostSize {
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly accelerator: Accelerator;
}

/**
 * Memory: a quarter of the host's, 512 MiB to 4 GiB: generous, because a clone costs only what it touches. One virtual CPU
 * in emulation, where each one more costs the idle pod its timer and the host a thread at full load; else up to four.
 */
export function defaultMachineSize(host: HostSize): MachineSize {
  const quarter = host.memoryBytes / 4;
  let memoryBytes = 512 * mebibyte;
  while (memoryBytes * 2 <= quarter && memoryBytes < 4 * gibibyte) memoryBytes *= 2;
  return { memoryBytes, vcpus: host.accelerator === 'tcg' ? 1 : Math.min(host.cpus, 4) };
}

/**
 * The size for what a pod must have at least (limits are the container's cgroup's business): the default where that is enough, else the next step up (512 MiB × 1, 1.5, 2, 3, 4, 6, …)
 * with room for the guest's own needs. Throws `invalid_argument`, or `resource_exhausted` for more than the host has.
 */
export function machineSizeFor(
  wanted: { readonly memoryBytes?: number | undefined; readonly vcpus?: number | undefined },
  defaults: MachineSize,
  host: HostSize,
): MachineSize {
  return {
    memoryBytes: memoryFor(wanted.memoryBytes, defaults.memoryBytes, host.memoryBytes),
    vcpus: vcpusFor(wanted.vcpus, defaults.vcpus, host.cpus),
  };
}

function memoryFor(wanted: number | undefined, defaultBytes: number, hostBytes: number): number {
  if (wanted === undefined) return defaultBytes;
  if (!Number.isSafeInteger(wanted) || wanted <= 0) {
    throw new EngineError('invalid_argument', `${wanted} is not a memory size in bytes`);
  }
  const needed = wanted + guestOwnBytes(wanted);
  if (needed <= defaultBytes) return defaultBytes;
  if (needed > hostBytes) {
    throw new EngineError(
      'resource_exhausted',
      `cannot give a pod ${inMebibytes(wanted)} MiB of memory: the host has ${inMebibytes(hostBytes)} MiB in all`,
    );
  }
  let step = 512 * mebibyte;
  for (;;) {
    if (step >= needed) return step;
    if (step * 1.5 >= needed) return step * 1.5;
    step *= 2;
  }
}

/** What kernel and agent take for themselves: page descriptors (1/64) and some 48 MiB. */
function guestOwnBytes(memoryBytes: number): number {
  return Math.ceil(memoryBytes / 64) + 48 * mebibyte;
}

function vcpusFor(wanted: number | undefined, defaultVcpus: number, hostCpus: number): number {
  if (wanted === undefined) return defaultVcpus;
  if (!Number.isSafeInteger(wanted) || wanted < 1) {
    throw new EngineError('invalid_argument', `${wanted} is not a number of virtual CPUs`);
  }
  if (wanted > hostCpus) {
    throw new EngineError('invalid_argument', `cannot give a pod ${wanted} CPUs: the host has ${hostCpus}`);
  }
  return Math.max(wanted, defaultVcpus);
}

function inMebibytes(bytes: number): number {
  return Math.floor(bytes / mebibyte);
}
