import type { Json } from '../../engine/model/json.ts';
import type {
  ContainerStartSpec,
  OutputSink,
  ProcessResume,
  Sandbox,
  SandboxContainer,
  SandboxOrigin,
} from '../../engine/ports/pod-runtime.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { GuestMachine } from './guest-machine.ts';
import { MicrovmContainer } from './microvm-container.ts';
import { parseContainerRecord } from './records.ts';
import type { SandboxRecord } from './records.ts';
import { resumeProcess } from './resume-process.ts';
import type { RuntimeContext } from './runtime-context.ts';
import { startContainer } from './start-container.ts';

/** A pod's machine. */
export class MicrovmSandbox implements Sandbox {
  readonly id: string;
  readonly record: Json;
  readonly origin: SandboxOrigin;
  readonly lost: Promise<string>;
  readonly #context: RuntimeContext;
  readonly #guest: GuestMachine;
  readonly #forget: () => Promise<void>;
  /** What a taken pool machine was told last, and has not answered yet. */
  readonly #settled: Promise<void>;
  #destroying = false;

  /** `forget` is called once it is gone, however it went. */
  constructor(
    context: RuntimeContext,
    guest: GuestMachine,
    record: SandboxRecord,
    settled: Promise<void>,
    forget: () => Promise<void>,
  ) {
    this.#context = context;
    this.#guest = guest;
    this.#settled = settled;
    this.#forget = forget;
    this.id = record.id;
    this.record = record;
    this.origin = record.origin;
    this.lost = this.#watch();
  }

  get pid(): number {
    return this.#guest.machine.pid;
  }

  get vcpus(): number {
    return this.#guest.parts.shape.vcpus;
  }

  get memoryBytes(): number {
    return this.#guest.parts.shape.memoryBytes;
  }

  get guest(): GuestMachine {
    return this.#guest;
  }

  async startContainer(
    spec: ContainerStartSpec,
    sink: OutputSink,
    signal: AbortSignal,
  ): Promise<SandboxContainer> {
    if (this.#guest.isOver()) throw new EngineError('failed_precondition', `sandbox ${this.id} is gone`);
    return await this.#context.activity.during(async () => {
      const starting = startContainer(this.#context, this.#guest, spec, sink, signal);
      const [container] = await Promise.all([starting, this.#settled]);
      return container;
    });
  }

  async resumeContainer(
    record: Json,
    process: ProcessResume,
    signal: AbortSignal,
  ): Promise<SandboxContainer | undefined> {
    const parts = parseContainerRecord(record);
    const known = this.#guest.agent.hello.containers.some(
      ({ container, id }) => container === parts.container && id === parts.id,
    );
    if (!known) return undefined;
    const first = await resumeProcess(this.#guest, parts.container, process, signal);
    if (first === undefined) return undefined;
    for (const disk of parts.disks) this.#guest.disks.adopt(disk);
    return new MicrovmContainer(this.#context, this.#guest, parts, first);
  }

  async destroy(): Promise<void> {
    this.#destroying = true;
    await this.#guest.destroy();
    await this.#forget();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }

  async #watch(): Promise<string> {
    const why = await this.#guest.gone;
    if (this.#destroying) return await new Promise<never>(() => undefined);
    try {
      await this.#forget();
    } catch (error) {
      this.#context.observer.warn(`cannot forget sandbox ${this.id}`, error);
    }
    return why;
  }
}
