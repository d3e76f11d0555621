/** A VMM in memory whose machines run the fake agent: the test double for everything above the `Vmm` port. */
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { FakeAgent } from '../../agent/fake-agent.ts';
import type { FakeAgentOptions } from '../../agent/fake-agent.ts';
import type { Json } from '../../engine/model/json.ts';
import type {
  DiskSpec,
  Machine,
  MachineExit,
  MachineSpec,
  MachineTemplate,
  Vmm,
  VmmCapabilities,
} from '../../engine/ports/vmm.ts';
import { EngineError } from '../../errors/engine-error.ts';

/** What lasts longer than a daemon: the machines of a host. Give the next FakeVmm the same one. */
export class FakeHost {
  readonly machines = new Map<string, FakeMachine>();
  readonly strays = new Set<string>();
}

export interface FakeVmmOptions {
  readonly host?: FakeHost;
  readonly capabilities?: Partial<VmmCapabilities>;
  readonly agent?: FakeAgentOptions;
}

export class FakeVmm implements Vmm {
  readonly capabilities: VmmCapabilities;
  readonly host: FakeHost;
  /** What was asked of it: 'clone', 'boot', 'bootTemplateSource', 'reattach'. */
  readonly calls: string[] = [];
  /** Thrown by the next call of that name, once. */
  readonly failures = new Map<string, Error>();
  readonly #agent: FakeAgentOptions;

  constructor(options: FakeVmmOptions = {}) {
    this.host = options.host ?? new FakeHost();
    this.#agent = options.agent ?? {};
    this.capabilities = {
      name: 'fake',
      version: '1.0',
      accelerator: 'tcg',
      clone: true,
      hotplugDisk: true,
      pause: true,
      maxDisks: 8,
      ...options.capabilities,
    };
  }

  async boot(spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
    return await this.#launch('boot', spec, undefined, signal);
  }

  async bootTemplateSource(spec: MachineSpec, directory: string, signal: AbortSignal): Promise<Machine> {
    return await this.#launch('bootTemplateSource', spec, directory, signal);
  }

  async clone(template: MachineTemplate, spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
    const state = await readFile(join(template.directory, 'state'), 'utf8');
    await access(join(template.directory, 'memory'));
    if (state !== 'prepared') throw new EngineError('unavailable', 'the template is broken');
    return await this.#launch('clone', spec, undefined, signal);
  }

  reattach(record: Json): Promise<Machine | undefined> {
    this.calls.push('reattach');
    const id =
      typeof record === 'object' && record !== null && !Array.isArray(record) ? record['id'] : undefined;
    return Promise.resolve(typeof id === 'string' ? this.host.machines.get(id) : undefined);
  }

  listStrays(known: ReadonlySet<string>): Promise<readonly string[]> {
    const all = [...this.host.machines.keys(), ...this.host.strays];
    return Promise.resolve(all.filter((id) => !known.has(id)));
  }

  async removeStray(id: string): Promise<void> {
    this.host.strays.delete(id);
    await this.host.machines.get(id)?.kill();
  }

  async #launch(
    how: string,
    spec: MachineSpec,
    directory: string | undefined,
    signal: AbortSignal,
  ): Promise<Machine> {
    this.calls.push(how);
    await Promise.resolve();
    signal.throwIfAborted();
    const failure = this.failures.get(how);
    this.failures.delete(how);
    if (failure !== undefined) throw failure;
    const machine = new FakeMachine(this.host, spec, directory, {
      memoryBytes: spec.shape.memoryBytes,
      ...this.#agent,
    });
    this.host.machines.set(spec.id, machine);
    return machine;
  }
}

export class FakeMachine implements Machine {
  readonly id: string;
  readonly record: Json;
  readonly pid = process.pid;
  readonly spec: MachineSpec;
  readonly agent: FakeAgent;
  readonly disks = new Map<string, DiskSpec>();
  readonly exited: Promise<MachineExit>;
  readonly #host: FakeHost;
  readonly #directory: string | undefined;
  readonly #exit: PromiseWithResolvers<MachineExit> = Promise.withResolvers();

  constructor(host: FakeHost, spec: MachineSpec, directory: string | undefined, agent: FakeAgentOptions) {
    this.#host = host;
    this.#directory = directory;
    this.id = spec.id;
    this.spec = spec;
    this.record = { id: spec.id };
    this.exited = this.#exit.promise;
    this.agent = new FakeAgent({ disk: (serial) => Promise.resolve(this.disks.has(serial)), ...agent });
  }

  connectChannel(signal: AbortSignal): Promise<Duplex> {
    signal.throwIfAborted();
    return Promise.resolve(this.agent.connect());
  }

  /** Two slots, as a template prepares them; more disks keep their own serial. */
  attachDisk(disk: DiskSpec, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const serial = ['slot0', 'slot1'].find((slot) => !this.disks.has(slot)) ?? disk.serial;
    if (this.disks.has(serial)) throw new EngineError('already_exists', `disk ${serial} is there`);
    this.disks.set(serial, disk);
    return Promise.resolve(serial);
  }

  detachDisk(serial: string): Promise<void> {
    if (!this.agent.released.includes(serial)) {
      throw new EngineError('failed_precondition', `the guest has not let go of ${serial}`);
    }
    if (!this.disks.delete(serial)) throw new EngineError('not_found', `there is no disk ${serial}`);
    return Promise.resolve();
  }

  pause(): Promise<void> {
    return Promise.resolve();
  }

  resume(): Promise<void> {
    return Promise.resolve();
  }

  async saveTemplate(): Promise<MachineTemplate> {
    if (this.#directory === undefined || !this.agent.prepared) {
      throw new EngineError('failed_precondition', 'not a template source, or not prepared');
    }
    await writeFile(join(this.#directory, 'state'), 'prepared');
    await writeFile(join(this.#directory, 'memory'), Buffer.alloc(4096));
    await this.kill();
    return { directory: this.#directory, shape: this.spec.shape };
  }

  console(): Promise<string> {
    return Promise.resolve('the fake guest says nothing');
  }

  /** As if the VMM had crashed. */
  die(lastWords: string): void {
    this.#end({ signal: 'SIGSEGV', lastWords });
  }

  kill(): Promise<void> {
    this.#end({ signal: 'SIGKILL', lastWords: '' });
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #end(exit: MachineExit): void {
    this.agent.disconnect();
    this.#host.machines.delete(this.id);
    this.#exit.resolve(exit);
  }
}
