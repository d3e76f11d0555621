import type { AgentConnection } from '../../agent/agent-connection.ts';
import type { DiskSpec, Machine } from '../../engine/ports/vmm.ts';
import { EngineError, errorCodeOf } from '../../errors/engine-error.ts';
import { KeyedLock } from '../../system/keyed-lock.ts';
import type { RuntimeContext } from './runtime-context.ts';

interface Entry {
  /** Undefined: from before this daemon. */
  readonly path: string | undefined;
  users: number;
}

/**
 * The disks of one machine. A disk is plugged in by its first user and unplugged with its last; layers that containers of
 * a pod have in common are one disk. Under a serial's lock: nobody uses a disk that is being unplugged.
 */
export class DiskTable {
  readonly #machine: Machine;
  readonly #agent: AgentConnection;
  readonly #context: RuntimeContext;
  readonly #lock = new KeyedLock();
  readonly #disks = new Map<string, Entry>();

  constructor(machine: Machine, agent: AgentConnection, context: RuntimeContext) {
    this.#machine = machine;
    this.#agent = agent;
    this.#context = context;
  }

  async attach(disk: DiskSpec, signal: AbortSignal): Promise<void> {
    await this.#lock.run(disk.serial, () => this.#attach(disk, signal), signal);
  }

  async #attach(disk: DiskSpec, signal: AbortSignal): Promise<void> {
    const entry = this.#disks.get(disk.serial);
    if (entry !== undefined) {
      // Serials are short: two digests could be made to share one, to show a container another's layer.
      if (entry.path !== undefined && entry.path !== disk.path) {
        throw new EngineError('internal', `disk ${disk.serial} is ${entry.path}, not ${disk.path}`);
      }
      entry.users++;
      return;
    }
    const { maxDisks } = this.#context.vmm.capabilities;
    if (this.#disks.size >= maxDisks) {
      throw new EngineError(
        'resource_exhausted',
        `cannot plug in another disk: a sandbox has ${maxDisks} at most (one per layer and one per container)`,
      );
    }
    const mine = { path: disk.path, users: 1 };
    this.#disks.set(disk.serial, mine);
    try {
      await this.#machine.attachDisk(disk, signal);
    } catch (error) {
      this.#disks.delete(disk.serial);
      throw error;
    }
  }

  /** A disk that was plugged in by an earlier daemon, and has one more user. */
  adopt(serial: string): void {
    const entry = this.#disks.get(serial);
    if (entry === undefined) this.#disks.set(serial, { path: undefined, users: 1 });
    else entry.users++;
  }

  /** One user less; the last one unplugs it. Nothing may have it mounted any more. */
  async release(serial: string, signal: AbortSignal): Promise<void> {
    await this.#lock.run(serial, () => this.#release(serial, signal), signal);
  }

  async #release(serial: string, signal: AbortSignal): Promise<void> {
    const entry = this.#disks.get(serial);
    if (entry === undefined) return;
    if (entry.users > 1) {
      entry.users--;
      return;
    }
    try {
      const timeoutMs = this.#context.timeouts.containerMs;
      await this.#agent.request({ type: 'releaseDisk', serial }, { signal, timeoutMs });
    } catch (error) {
      if (errorCodeOf(error) !== 'not_found' && errorCodeOf(error) !== 'unavailable') throw error;
    }
    await this.#machine.detachDisk(serial, signal);
    this.#disks.delete(serial);
  }
}
