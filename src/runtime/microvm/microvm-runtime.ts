import { mkdir, readdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Json } from '../../engine/model/json.ts';
import type { PodRuntime, RuntimeInfo, Sandbox, SandboxSpec } from '../../engine/ports/pod-runtime.ts';
import type { Vmm } from '../../engine/ports/vmm.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { Activity } from './activity.ts';
import { buildTemplate } from './build-template.ts';
import { createSandbox } from './create-sandbox.ts';
import type { CreatedSandbox } from './create-sandbox.ts';
import type { GuestImage, GuestImages } from './guest-image.ts';
import type { GuestMachine } from './guest-machine.ts';
import { readHostMemory } from './host-memory.ts';
import type { HostMemory } from './host-memory.ts';
import { launchMachine } from './launch-machine.ts';
import { defaultMachineSize } from './machine-size.ts';
import type { MachineSize } from './machine-size.ts';
import { MicrovmSandbox } from './microvm-sandbox.ts';
import { traced } from './observer.ts';
import type { RuntimeObserver } from './observer.ts';
import { Pool } from './pool.ts';
import { parseSandboxRecord } from './records.ts';
import { rehearse } from './rehearse.ts';
import type { Rehearsal } from './rehearse.ts';
import { resumeSandbox } from './resume-sandbox.ts';
import { defaultTimeouts } from './runtime-context.ts';
import type { RuntimeContext, RuntimeTimeouts } from './runtime-context.ts';
import { SandboxIndex } from './sandbox-index.ts';
import { Templates } from './templates.ts';
import { UidAllocator } from './uid-allocator.ts';
import type { UidRange } from './uid-allocator.ts';

export interface MicrovmRuntimeOptions {
  readonly vmm: Vmm;
  readonly images: GuestImages;
  /** Kept across restarts and reboots. */
  readonly templatesDirectory: string;
  /** Belongs to this daemon alone; kept across its restarts. */
  readonly stateDirectory: string;
  readonly observer: RuntimeObserver;
  /** How many machines wait for a pod; 2. */
  readonly poolTarget?: number;
  /** Undefined: machines of the pool do not rehearse. */
  readonly rehearsal?: Rehearsal;
  /** See uid-allocator.ts: two daemons on one host need ranges of their own. */
  readonly uids?: UidRange;
  /** The size of a pod that does not say; by the host's. */
  readonly defaultSize?: Partial<MachineSize>;
  readonly timeouts?: Partial<RuntimeTimeouts>;
  readonly hostMemory?: () => HostMemory;
  readonly hostCpus?: number;
  /** How long nobody may have started anything until the pool is filled; 20 ms. */
  readonly quietMs?: number;
}

/**
 * Pods in microVMs of their own. The order at the daemon's start: `resumeSandbox` for every record, `removeStrays`, then
 * `startPool`. Disposing it stops the pool and lets go of the sandboxes, which go on running.
 */
export class MicrovmRuntime implements PodRuntime, AsyncDisposable {
  readonly #context: RuntimeContext;
  readonly #pool: Pool;
  readonly #index: SandboxIndex;
  readonly #rehearsal: Rehearsal | undefined;
  readonly #sandboxes = new Map<string, MicrovmSandbox>();
  #closed = false;

  constructor(options: MicrovmRuntimeOptions) {
    const { vmm, templatesDirectory, stateDirectory } = options;
    const hostMemory = options.hostMemory ?? readHostMemory;
    const host = {
      memoryBytes: hostMemory().totalBytes,
      cpus: options.hostCpus ?? availableParallelism(),
      accelerator: vmm.capabilities.accelerator,
    };
    const context: RuntimeContext = {
      vmm,
      images: options.images,
      templates: new Templates({
        directory: templatesDirectory,
        capabilities: vmm.capabilities,
        build: (shape, directory) => buildTemplate(context, shape, directory),
      }),
      uids: new UidAllocator(options.uids),
      activity: new Activity(options.quietMs ?? 20),
      observer: options.observer,
      timeouts: { ...defaultTimeouts, ...options.timeouts },
      host,
      defaultSize: { ...defaultMachineSize(host), ...options.defaultSize },
      stateDirectory,
      machines: new Set(),
    };
    this.#context = context;
    this.#rehearsal = options.rehearsal;
    this.#index = new SandboxIndex(stateDirectory);
    this.#pool = new Pool(context, {
      target: vmm.capabilities.clone ? (options.poolTarget ?? 2) : 0,
      make: (image, signal) => this.#makeForPool(image, signal),
      hostMemory,
      checkEveryMs: 15_000,
    });
  }

  info(): RuntimeInfo {
    const { vmm, images, templates, defaultSize } = this.#context;
    const { kernel } = images.current();
    return {
      name: 'microvm',
      vmm: vmm.capabilities.name,
      vmmVersion: vmm.capabilities.version,
      accelerator: vmm.capabilities.accelerator,
      kernelRelease: kernel.release,
      kernelKind: kernel.kind,
      kernelPath: kernel.path,
      templates: templates.count(),
      pool: { target: this.#pool.target, ready: this.#pool.ready },
      defaultMemoryBytes: defaultSize.memoryBytes,
      defaultVcpus: defaultSize.vcpus,
    };
  }

  async createSandbox(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    if (this.#closed) throw new EngineError('unavailable', 'the runtime is shutting down');
    const { activity, observer } = this.#context;
    return await activity.during(() =>
      traced(observer, spec.id, 'sandbox', () => this.#createSandbox(spec, signal)),
    );
  }

  async #createSandbox(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const created = await createSandbox(this.#context, this.#pool, spec, signal);
    created.settled.catch(() => undefined); // whoever starts a container in it is told
    try {
      await this.#index.add(spec.id, created.guest.machine.id);
      return this.#keep(created);
    } catch (error) {
      await created.guest.destroy();
      throw error;
    }
  }

  async resumeSandbox(record: Json, signal: AbortSignal): Promise<Sandbox | undefined> {
    const parsed = parseSandboxRecord(record);
    const guest = await resumeSandbox(this.#context, parsed, signal);
    if (guest === undefined) {
      await this.#index.remove(parsed.id);
      return undefined;
    }
    return this.#keep({ guest, record: parsed, settled: Promise.resolve() });
  }

  /** Also lets the output of processes go that nobody took up, so that it does not stop them; and removes old templates. */
  async removeStrays(known: ReadonlySet<string>): Promise<void> {
    const { vmm, machines, stateDirectory, templates, images, observer } = this.#context;
    const index = await this.#index.read();
    const kept = new Set(machines);
    for (const [sandbox, machine] of index) {
      if (known.has(sandbox)) kept.add(machine);
      else if (!this.#sandboxes.has(sandbox)) await this.#index.remove(sandbox);
    }
    for (const id of await vmm.listStrays(kept)) {
      await traced(observer, id, 'stray', () => vmm.removeStray(id));
    }
    await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(stateDirectory)) {
      const machine = /^rehearsal-([0-9a-f]+)\.ext4$/.exec(name)?.[1];
      if (machine !== undefined && !machines.has(machine))
        await rm(join(stateDirectory, name), { force: true });
    }
    for (const sandbox of this.#sandboxes.values()) sandbox.guest.agent.discardUnclaimed();
    await templates.prune(images.current().kernel.hash);
  }

  /** From now on machines wait for pods. */
  startPool(): void {
    this.#pool.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#pool[Symbol.asyncDispose]();
    await Promise.all([...this.#sandboxes.values()].map((sandbox) => sandbox.guest.letGo()));
  }

  #keep({ guest, record, settled }: CreatedSandbox): Sandbox {
    const sandbox = new MicrovmSandbox(this.#context, guest, record, settled, async () => {
      this.#sandboxes.delete(record.id);
      await this.#index.remove(record.id);
    });
    this.#sandboxes.set(record.id, sandbox);
    return sandbox;
  }

  async #makeForPool(image: GuestImage, signal: AbortSignal): Promise<GuestMachine> {
    const { observer, defaultSize } = this.#context;
    const options = { hostname: 'dvm', subject: 'pool' };
    await using undo = new AsyncDisposableStack();
    const guest = undo.use(await launchMachine(this.#context, image, defaultSize, options, signal));
    const rehearsal = this.#rehearsal;
    if (rehearsal !== undefined) {
      await mkdir(this.#context.stateDirectory, { recursive: true, mode: 0o700 });
      await traced(observer, 'pool', 'rehearse', () => rehearse(this.#context, guest, rehearsal, signal));
    }
    undo.move();
    return guest;
  }
}
