import { setTimeout as delay } from 'node:timers/promises';
import type { AgentConnection } from '../../agent/agent-connection.ts';
import type { Machine, MachineExit, MachineShape } from '../../engine/ports/vmm.ts';
import { DiskTable } from './disk-table.ts';
import { Handles } from './handles.ts';
import type { RuntimeContext } from './runtime-context.ts';

/** What a machine was told when it was made unique. */
export interface GuestIdentity {
  readonly bootId: string;
  readonly machineId: string;
  /** 12 hex digits. */
  readonly mac: string;
}

export interface GuestMachineParts {
  readonly machine: Machine;
  readonly agent: AgentConnection;
  readonly uid: number;
  readonly shape: MachineShape;
  readonly identity: GuestIdentity;
  /** Undefined: booted, not cloned. */
  readonly templateKey: string | undefined;
}

/** How long a VMM's end may come after its channel's: then the VMM's words say why. */
const exitAfterChannelMs = 1000;

/**
 * A running, unique machine with its agent connected. It goes when the VMM goes, when the agent breaks the protocol, or
 * when it is destroyed; whichever comes first, everything it had on the host is removed and all that waits is settled.
 */
export class GuestMachine implements AsyncDisposable {
  readonly parts: GuestMachineParts;
  readonly disks: DiskTable;
  readonly handles: Handles;
  /** Resolves once it is gone and cleaned up, with why. Never, when it was let go of. */
  readonly gone: Promise<string>;
  readonly #context: RuntimeContext;
  readonly #inUse: Disposable;
  #destroyed = false;
  #released = false;

  constructor(context: RuntimeContext, parts: GuestMachineParts) {
    this.#context = context;
    context.machines.add(parts.machine.id);
    this.parts = parts;
    this.disks = new DiskTable(parts.machine, parts.agent, context);
    const { containers, processes } = parts.agent.hello;
    this.handles = new Handles([
      ...containers.map(({ container }) => container),
      ...processes.map(({ process }) => process),
    ]);
    this.#inUse = context.templates.use(parts.templateKey);
    this.gone = this.#watch();
  }

  get machine(): Machine {
    return this.parts.machine;
  }

  get agent(): AgentConnection {
    return this.parts.agent;
  }

  /** Nothing can be asked of it any more. */
  isOver(): boolean {
    return this.#destroyed;
  }

  /** Kills it and waits until nothing is left of it. Idempotent. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    await this.machine.kill();
    await this.gone;
  }

  /** Leaves it running for the next daemon. */
  async letGo(): Promise<void> {
    this.#released = true;
    await this.agent[Symbol.asyncDispose]();
    await this.machine.letGo?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }

  async #watch(): Promise<string> {
    const why = await this.#end();
    if (this.#released) return await new Promise<never>(() => undefined);
    this.#destroyed = true;
    try {
      await this.agent[Symbol.asyncDispose]();
      this.agent.loseProcesses(why);
      await this.machine.kill();
      this.#context.uids.release(this.parts.uid);
      this.#context.machines.delete(this.machine.id);
    } catch (error) {
      // Its user stays taken: something of it may still run.
      this.#context.observer.warn(`cannot remove what is left of machine ${this.machine.id}`, error);
    }
    this.#inUse[Symbol.dispose]();
    return why;
  }

  async #end(): Promise<string> {
    const { machine, agent } = this.parts;
    const first = await Promise.race([machine.exited, agent.ended]);
    if (!(first instanceof Error)) return this.#describe(first);
    if (this.#released) return '';
    const stop = new AbortController();
    const late = delay(exitAfterChannelMs, undefined, { signal: stop.signal });
    const exit = await Promise.race([machine.exited, late]);
    stop.abort();
    late.catch(() => undefined); // its abort is what was wanted
    return exit === undefined ? first.message : this.#describe(exit);
  }

  #describe(exit: MachineExit): string {
    if (this.#destroyed) return 'the sandbox was destroyed';
    const how =
      exit.signal !== undefined
        ? `was ended by ${exit.signal}`
        : exit.code !== undefined
          ? `ended with exit code ${exit.code}`
          : 'ended';
    const words = exit.lastWords.trim();
    return `the VMM ${how}${words === '' ? '' : `: ${words}`}`;
  }
}
