/**
 * The port under the microVM runtime: a program that drives one virtual machine (QEMU, Firecracker, …).
 *
 * A driver never decides policy: it launches, clones, plugs and kills what it is told, in a cage.
 */
import type { Duplex } from 'node:stream';
import type { Json } from '../model/json.ts';

export type Accelerator = 'kvm' | 'tcg';

/** What all machines cloned from one template have in common. Two equal shapes have equal `shapeKey`s. */
export interface MachineShape {
  readonly vcpus: number;
  /** Guest memory, bytes, a multiple of 2 MiB. Costs only what is touched. */
  readonly memoryBytes: number;
  readonly kernel: GuestKernel;
  readonly initramfsPath: string;
}

export interface GuestKernel {
  /** vmlinux (PVH) or bzImage. */
  readonly path: string;
  /** `trimmed`: DVM's own; `stock`: the distribution's; `custom`: the user's. */
  readonly kind: 'trimmed' | 'stock' | 'custom';
  readonly release: string;
  /** SHA-256 of kernel and initramfs together, hex: part of a template's identity. */
  readonly hash: string;
}

/** What a driver can do, declared as data so that nobody above probes for it. */
export interface VmmCapabilities {
  readonly name: string; // 'qemu'
  readonly version: string;
  readonly accelerator: Accelerator;
  readonly clone: boolean;
  readonly hotplugDisk: boolean;
  readonly pause: boolean;
  readonly maxDisks: number;
  /**
   * Part of a template's identity, beside name and version: what else (the driver's own layout, the host's CPU) a
   * template depends on. A template of another generation cannot be cloned.
   */
  readonly templateGeneration?: string;
}

/** The VMM's cage on the host. `uid`/`gid` belong to this machine alone. */
export interface MachineLimits {
  readonly uid: number;
  readonly gid: number;
  /** Host memory the VMM's cgroup allows: guest memory and its own overhead, bytes. */
  readonly memoryMaxBytes: number;
  readonly pidsMax: number;
  /** Host CPU time per 100 ms, µs; undefined = no limit. */
  readonly cpuQuotaUs?: number;
}

export interface MachineSpec {
  /** Names the machine's directory, cgroup and processes: [a-z0-9]{8,64}. */
  readonly id: string;
  readonly shape: MachineShape;
  readonly limits: MachineLimits;
}

/** A saved, paused, empty machine. Its files are read-only and never written again. */
export interface MachineTemplate {
  readonly directory: string;
  readonly shape: MachineShape;
}

export interface DiskSpec {
  /** At most 20 characters of [A-Za-z0-9_-]: the serial to give it, if the driver does not choose (see `attachDisk`). */
  readonly serial: string;
  /** A regular file on the host; handed to the VMM as an open descriptor, always as raw. */
  readonly path: string;
  readonly readonly: boolean;
}

/** How a VMM ended. */
export interface MachineExit {
  /** Undefined when it was not this daemon's child (after a restart) and nobody could ask. */
  readonly code?: number;
  readonly signal?: NodeJS.Signals;
  /** The last of what VMM and guest console said, for people. */
  readonly lastWords: string;
}

/** A machine that runs (or is paused). Disposing it kills it and removes everything it had on the host. */
export interface Machine extends AsyncDisposable {
  readonly id: string;
  /** Enough to find it again with `Vmm.reattach` after the daemon was replaced. */
  readonly record: Json;
  readonly pid: number;
  /** Resolves once, when the VMM process is gone, however it went; never rejects. */
  readonly exited: Promise<MachineExit>;
  /** Connects to the guest channel. One connection at a time; the previous one must be destroyed first. */
  connectChannel(signal: AbortSignal): Promise<Duplex>;
  /**
   * Resolves with the serial by which the guest finds the disk, when its content can be read: `disk.serial`, or that of
   * a slot the machine had prepared (`ro00`, `rw00`, …), which spares the guest a SCSI scan. Only then may the guest be
   * told to use it. A slot shows more capacity than the file has: file systems know their own size.
   */
  attachDisk(disk: DiskSpec, signal: AbortSignal): Promise<string>;
  /** By the serial `attachDisk` resolved with. The guest must have let go of it (`releaseDisk`). */
  detachDisk(serial: string, signal: AbortSignal): Promise<void>;
  /** Stops the virtual CPUs. */
  pause(signal: AbortSignal): Promise<void>;
  resume(signal: AbortSignal): Promise<void>;
  /** Saves a paused, empty machine that was booted with `bootTemplateSource`; the machine is gone afterwards. */
  saveTemplate(signal: AbortSignal): Promise<MachineTemplate>;
  /** The tail of the guest's console, for error messages. */
  console(): Promise<string>;
  /**
   * Closes what this daemon has open to it and leaves it running for the next one. Nothing else may be asked of it
   * afterwards, and `exited` need not resolve any more.
   */
  letGo?(): Promise<void>;
  /** SIGKILL, then waits until it is gone and its directory, cgroup and sockets are removed. Idempotent. */
  kill(): Promise<void>;
}

export interface Vmm {
  readonly capabilities: VmmCapabilities;
  /** Boots the kernel; resolves when the VMM runs (the guest may still be booting). */
  boot(spec: MachineSpec, signal: AbortSignal): Promise<Machine>;
  /** Boots a machine whose memory is the template's file to be, in `directory` (made, empty). */
  bootTemplateSource(spec: MachineSpec, directory: string, signal: AbortSignal): Promise<Machine>;
  /** Resolves when the clone runs. */
  clone(template: MachineTemplate, spec: MachineSpec, signal: AbortSignal): Promise<Machine>;
  /** Undefined when the machine is gone (what it left on the host has then been removed). */
  reattach(record: Json, signal: AbortSignal): Promise<Machine | undefined>;
  /** Ids of machines that have anything on this host (process, directory, cgroup), to find strays. */
  listStrays(known: ReadonlySet<string>): Promise<readonly string[]>;
  /** Removes whatever a stray machine left: kills its process, removes directory and cgroup. */
  removeStray(id: string): Promise<void>;
}
