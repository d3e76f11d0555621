import type { Vmm } from '../../engine/ports/vmm.ts';
import type { Activity } from './activity.ts';
import type { GuestImages } from './guest-image.ts';
import type { HostSize, MachineSize } from './machine-size.ts';
import type { RuntimeObserver } from './observer.ts';
import type { Templates } from './templates.ts';
import type { UidAllocator } from './uid-allocator.ts';

/** How long the steps may take that a guest could draw out for ever. */
export interface RuntimeTimeouts {
  /** From a VMM's start until the agent of a booting guest answers. */
  readonly bootMs: number;
  /** Until the agent of a clone, or of a machine found again, answers. */
  readonly connectMs: number;
  /** For a request that only takes a moment. */
  readonly requestMs: number;
  /** For mounting and starting, and for killing, unmounting and writing out. */
  readonly containerMs: number;
}

/** In emulation, on a busy host: a boot takes some 2 s alone, a clone some 50 ms. */
export const defaultTimeouts: RuntimeTimeouts = {
  bootMs: 120_000,
  connectMs: 20_000,
  requestMs: 20_000,
  containerMs: 60_000,
};

/** What every operation of the runtime works with. */
export interface RuntimeContext {
  readonly vmm: Vmm;
  readonly images: GuestImages;
  readonly templates: Templates;
  readonly uids: UidAllocator;
  readonly activity: Activity;
  readonly observer: RuntimeObserver;
  readonly timeouts: RuntimeTimeouts;
  readonly host: HostSize;
  readonly defaultSize: MachineSize;
  readonly stateDirectory: string;
  /** Names of all machines that this daemon has or is about to have: none of them is a stray. */
  readonly machines: Set<string>;
}
