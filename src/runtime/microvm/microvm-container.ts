import type { Json } from '../../engine/model/json.ts';
import type {
  ContainerResources,
  ContainerStats,
  OutputSink,
  ProcessResume,
  ProcessSpec,
  SandboxContainer,
  SandboxProcess,
  TopProcess,
} from '../../engine/ports/pod-runtime.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { processMessage, resourcesMessage } from './container-message.ts';
import type { GuestMachine } from './guest-machine.ts';
import { MicrovmProcess, processRecordOf } from './microvm-process.ts';
import { traced } from './observer.ts';
import type { ContainerRecord } from './records.ts';
import { removeContainer } from './remove-container.ts';
import { resumeProcess } from './resume-process.ts';
import type { RuntimeContext } from './runtime-context.ts';

/** A container in a machine. */
export class MicrovmContainer implements SandboxContainer {
  readonly process: SandboxProcess;
  readonly record: Json;
  readonly #context: RuntimeContext;
  readonly #guest: GuestMachine;
  readonly #parts: ContainerRecord;
  #removed: Promise<void> | undefined;

  constructor(context: RuntimeContext, guest: GuestMachine, parts: ContainerRecord, process: SandboxProcess) {
    this.#context = context;
    this.#guest = guest;
    this.#parts = parts;
    this.process = process;
    this.record = parts;
  }

  async exec(spec: ProcessSpec, sink: OutputSink, signal: AbortSignal): Promise<SandboxProcess> {
    return await this.#context.activity.during(() => this.#exec(spec, sink, signal));
  }

  async #exec(spec: ProcessSpec, sink: OutputSink, signal: AbortSignal): Promise<SandboxProcess> {
    const { container, id } = this.#parts;
    const message = processMessage(spec, this.#guest.handles.next());
    const timeoutMs = this.#context.timeouts.containerMs;
    const { process, pid } = await traced(this.#context.observer, id, 'exec', () =>
      this.#guest.agent.exec(container, message, sink, { signal, timeoutMs }),
    );
    return new MicrovmProcess(process, pid, processRecordOf(container, message));
  }

  resumeExec(resume: ProcessResume, signal: AbortSignal): Promise<SandboxProcess | undefined> {
    return resumeProcess(this.#guest, this.#parts.container, resume, signal);
  }

  async freeze(frozen: boolean): Promise<void> {
    await this.#guest.agent.request({ type: 'freeze', container: this.#parts.container, frozen });
  }

  async update(resources: ContainerResources): Promise<void> {
    await this.#guest.agent.request({
      type: 'updateResources',
      container: this.#parts.container,
      resources: resourcesMessage(resources),
    });
  }

  async stats(): Promise<ContainerStats> {
    const stats = await this.#guest.agent.request({
      type: 'containerStats',
      container: this.#parts.container,
    });
    return {
      cpuUsageNs: stats.cpuUsageNs,
      cpuUserNs: stats.cpuUserNs,
      cpuSystemNs: stats.cpuSystemNs,
      memoryBytes: stats.memoryCurrent,
      memoryPeakBytes: stats.memoryPeak,
      memoryMaxBytes: stats.memoryMax,
      memoryInactiveFileBytes: stats.memoryInactiveFile,
      pids: stats.pidsCurrent,
      readBytes: stats.readBytes,
      writeBytes: stats.writeBytes,
    };
  }

  async top(): Promise<readonly TopProcess[]> {
    const { processes } = await this.#guest.agent.request({ type: 'top', container: this.#parts.container });
    return processes.map(({ startedAtNs, ...process }) => ({
      ...process,
      startedAt: new Date(Number(startedAtNs / 1_000_000n)),
    }));
  }

  /** One that failed can be tried again. */
  async remove(): Promise<void> {
    this.#removed ??= removeContainer(this.#context, this.#guest, this.#parts);
    try {
      await this.#removed;
    } catch (error) {
      this.#removed = undefined;
      throw error instanceof EngineError
        ? error
        : new EngineError('internal', 'cannot remove the container from its sandbox', { cause: error });
    }
  }
}
