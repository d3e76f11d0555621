/** What every verb of the engine needs: the ports, the containers, the locks, the news. */
import type { DiskStore } from './ports/disk-store.ts';
import type { EngineObserver } from './ports/observer.ts';
import type { ImageStore } from './ports/images.ts';
import type { LogStore } from './ports/log-store.ts';
import type { PodLock } from './ports/pod-lock.ts';
import type { PodRuntime } from './ports/pod-runtime.ts';
import type { StateStore } from './ports/state-store.ts';
import type { Container } from './container.ts';
import type { EventBus } from './events.ts';
import type { Registry } from './registry.ts';
import type { BackgroundWork } from './background-work.ts';

export interface EngineSettings {
  /** The daemon's own id, for `info`. */
  readonly id: string;
  readonly dataDirectory: string;
  /** What containers find in /etc/resolv.conf; asked at each start. */
  resolvConf(): string;
  /** What `info` warns of; asked each time. */
  warnings(): readonly string[];
}

/** Constructed by the daemon alone. */
export interface EnginePorts {
  readonly runtime: PodRuntime;
  readonly images: ImageStore;
  readonly state: StateStore;
  readonly logs: LogStore;
  readonly disks: DiskStore;
  readonly lock: PodLock;
  readonly observer: EngineObserver;
}

export interface EngineContext extends EnginePorts {
  readonly settings: EngineSettings;
  readonly registry: Registry;
  readonly events: EventBus;
  readonly background: BackgroundWork;
  /** Starts a container as its restart policy asks. */
  readonly restart: (container: Container) => Promise<void>;
  /** Aborted when the daemon goes: what ends from then on is for the next daemon to see. */
  readonly closing: AbortSignal;
}
