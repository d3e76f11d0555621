/** The port to containers' writable disks: sparse ext4 files, one per container, whose size is the container's quota. */
export interface DiskStore {
  /** The container's disk, made when it is not there yet; its path. `sizeBytes` undefined: the daemon's default. */
  ensure(containerId: string, sizeBytes: number | undefined, signal: AbortSignal): Promise<string>;
  /** Throws `invalid_argument` when no disk can have this size. */
  checkSize(sizeBytes: number): void;
  /** Bytes it takes on the host; 0 when there is none. */
  usage(containerId: string): Promise<number>;
  /** Idempotent. */
  remove(containerId: string): Promise<void>;
  /** Removes the disks of containers that do not exist. */
  removeStrays(known: ReadonlySet<string>): Promise<void>;
}
