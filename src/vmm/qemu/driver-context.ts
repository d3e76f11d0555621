/** What every operation of the driver needs to know of its host. */
import type { Accelerator } from '../../engine/ports/vmm.ts';
import type { CgroupParent } from '../../system/cgroup.ts';

export interface DriverContext {
  /** The QEMU program. */
  readonly program: string;
  readonly version: string;
  readonly accelerator: Accelerator;
  /** In emulation: how fast this host's time stamp counter runs. */
  readonly tscKhz: number | undefined;
  /** Holds one directory per machine, for root only. */
  readonly machinesDirectory: string;
  /** An empty directory that becomes the root of every VMM. */
  readonly emptyRoot: string;
  readonly cgroups: CgroupParent;
  /** How long QEMU may take from its start until the guest runs. */
  readonly launchTimeoutMs: number;
}
