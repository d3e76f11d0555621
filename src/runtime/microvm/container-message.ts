/** The engine's specs as the agent's messages. */
import type { ContainerResources, ContainerStartSpec, ProcessSpec } from '../../engine/ports/pod-runtime.ts';
import type { Container, Process, Resources } from '../../agent/messages.ts';
import { capabilityMask } from './capability-mask.ts';
import { rlimitMessage } from './rlimit-message.ts';
import { tmpfsFlagsAndOptions } from './tmpfs-mount.ts';

export interface ContainerHandles {
  readonly container: number;
  readonly process: number;
}

/** All but the disks, which are not plugged in yet. */
export function containerMessage(spec: ContainerStartSpec, handles: ContainerHandles): Container {
  return {
    container: handles.container,
    id: spec.id,
    layers: [],
    upper: '',
    readonlyRoot: spec.readonlyRoot,
    hostname: spec.hostname,
    privilege: spec.privileged ? 'privileged' : 'standard',
    sharePid: spec.sharePid,
    init: spec.init,
    mounts: spec.mounts.map((mount) => ({
      type: mount.type,
      source: '',
      target: mount.target,
      ...tmpfsFlagsAndOptions(mount),
    })),
    shmSize: BigInt(spec.shmSizeBytes),
    files: spec.files,
    sysctls: Object.entries(spec.sysctls).map(([key, value]) => ({ key, value })),
    resources: resourcesMessage(spec.resources),
    process: processMessage(spec.process, handles.process),
  };
}

export function processMessage(spec: ProcessSpec, handle: number): Process {
  const mask = capabilityMask(spec.capabilities);
  return {
    process: handle,
    args: spec.args,
    env: spec.env,
    cwd: spec.cwd,
    user: spec.user,
    additionalGroups: spec.additionalGroups,
    tty: spec.tty,
    rows: spec.size?.rows ?? 0,
    cols: spec.size?.cols ?? 0,
    stdinOpen: spec.stdinOpen,
    rlimits: spec.rlimits.map(rlimitMessage),
    // As Docker since CVE-2022-24769: nothing is inheritable.
    capabilities: { bounding: mask, effective: mask, permitted: mask, inheritable: 0n, ambient: 0n },
    noNewPrivileges: spec.noNewPrivileges,
    oomScoreAdj: spec.oomScoreAdj,
    discardOutput: spec.discardOutput,
  };
}

export function resourcesMessage(resources: ContainerResources): Resources {
  return {
    memoryMax: BigInt(resources.memoryMaxBytes ?? 0),
    memoryLow: BigInt(resources.memoryReservationBytes ?? 0),
    swapMax: swapMax(resources),
    cpuQuotaUs: BigInt(resources.cpuQuotaUs ?? -1),
    cpuPeriodUs: BigInt(resources.cpuPeriodUs ?? 0),
    cpuWeight: cpuWeight(resources.cpuShares),
    pidsMax: BigInt(resources.pidsMax ?? 0),
  };
}

/** Docker counts memory and swap together, and gives as much swap as memory when it is not told. */
function swapMax({ memoryMaxBytes, memorySwapBytes }: ContainerResources): bigint {
  if (memorySwapBytes === -1 || memoryMaxBytes === undefined) return -1n;
  if (memorySwapBytes === undefined) return BigInt(memoryMaxBytes);
  return BigInt(Math.max(0, memorySwapBytes - memoryMaxBytes));
}

/** Shares of cgroup v1 (2 to 262144) on the scale of v2's weights (1 to 10000), as the OCI runtimes convert them. */
function cpuWeight(shares: number | undefined): number {
  if (shares === undefined || shares === 0) return 0;
  const bounded = Math.min(262_144, Math.max(2, shares));
  return 1 + Math.floor(((bounded - 2) * 9999) / 262_142);
}
