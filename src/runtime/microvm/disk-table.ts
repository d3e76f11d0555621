import type { AgentConnection } from '../../agent/agent-connection.ts';
import type { DiskSpec, Machine } from '../../engine/ports/vmm.ts';
import { EngineError, errorCodeOf } from '../../errors/engine-error.ts';
import { KeyedLock } from '../../system/keyed-lock.ts';
import type { RuntimeContext } from './runtime-context.ts';

/** A disk in use: what it is, and by which serial the guest has it. */
export interface AttachedDisk {
  readonly name: string;
  readonly serial: string;
}

interface Entry {
  /** Undefined: from before this daemon. */
  readonly path: string | undefined;
  readonly serial: string;
  users: number;
}

/**
 * The disks of one machine, by name (the serial asked for; the VMM may choose another). A disk is plugged in by its first
 * user and unplugged with its last; layers that containers of a pod have in common are one disk. Under a name's lock: nobody
 * uses a disk that is being unplugged.
 */
export class DiskTable {
  readonly #machine: Machine;
  readonly #agent: AgentConnection;
  readonly #context: RuntimeContext;
  readonly #lock = new KeyedLock();
  readonly #disks = new Map<string, Entry>();
  #attaching = 0;

  constructor(machine: Machine, agent: AgentConnection, context: RuntimeContext) {
    this.#machine = machine;
    this.#agent = agent;
    this.#context = context;
  }

  async attach(disk: DiskSpec, signal: AbortSignal): Promise<AttachedDisk> {
    return await this.#lock.run(disk.serial, () => this.#attach(disk, signal), signal);
  }

  async #attach(disk: DiskSpec, signal: AbortSignal): Promise<AttachedDisk> {
    const name = disk.serial;
    const entry = this.#disks.get(name);
    if (entry !== undefined) {
      // Names are short: two digests could be made to share one, to show a container another's layer.
      if (entry.path !== undefined && entry.path !== disk.path) {
        throw new EngineError('internal', `disk ${name} is ${entry.path}, not ${disk.path}`);
      }
      entry.users++;
      return { name, serial: entry.serial };
    }
    const { maxDisks } = this.#context.vmm.capabilities;
    if (this.#disks.size + this.#attaching >= maxDisks) {
      throw new EngineError(
        'resource_exhausted',
        `cannot plug in another disk: a sandbox has ${maxDisks} at most (one per layer and one per container)`,
      );
    }
    this.#attaching++;
    try {
      const serial = await this.#machine.attachDisk(disk, signal);
      this.#disks.set(name, { path: disk.path, serial, users: 1 });
      return { name, serial };
    } finally {
      this.#attaching--;
    }
  }

  /** A disk that was plugged in by an earlier daemon, and has one more user. */
  adopt({ name, serial }: AttachedDisk): void {
    const entry = this.#disks.get(name);
    if (entry === undefined) this.#disks.set(name, { path: undefined, serial, users: 1 });
    else entry.users++;
  }

  /** One user less; the last one unplugs it. Nothing may have it mounted any more. */
  async release({ name }: AttachedDisk, signal: AbortSignal): Promise<void> {
    await this.#lock.run(name, () => this.#release(name, signal), signal);
  }

  async #release(name: string, signal: AbortSignal): Promise<void> {
    const entry = this.#disks.get(name);
    if (entry === undefined) return;
    if (entry.users > 1) {
      entry.users--;
      return;
    }
    const { serial } = entry;
    try {
      const timeoutMs = this.#context.timeouts.containerMs;
      await this.#agent.request({ type: 'releaseDisk', serial }, { signal, timeoutMs });
    } catch (error) {
      // The guest does not have it (any more).
      if (errorCodeOf(error) !== 'not_found' && errorCodeOf(error) !== 'unavailable') throw error;
    }
    await this.#machine.detachDisk(serial, signal);
    this.#disks.delete(name);
  }
}
