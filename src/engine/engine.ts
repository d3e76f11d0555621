/** The engine: Docker's verbs on containers, each in a file of its own beside this one. */
import { BackgroundWork } from './background-work.ts';
import type { EngineContext, EnginePorts, EngineSettings } from './context.ts';
import { EventBus } from './events.ts';
import type { EventQuery } from './events.ts';
import type { ContainerSpec, ContainerView, EngineEvent, ExecSpec, ExecView } from './model/container.ts';
import type { LogEntry, LogQuery } from './model/log.ts';
import type { ContainerStats, TerminalSize, TopProcess } from './ports/pod-runtime.ts';
import { Registry } from './registry.ts';
import type {
  AttachOptions,
  AttachStreams,
  Attachment,
  ContainerFilter,
  Engine,
  EngineInfo,
  WaitCondition,
} from './service.ts';
import { attachToContainer } from './attach.ts';
import { createContainer } from './create.ts';
import { createExec, findExec, resizeExec, startExec } from './exec.ts';
import { containerSize, engineInfo } from './info.ts';
import { killContainer } from './kill.ts';
import { listContainers } from './list.ts';
import { flatten, readLogs } from './logs.ts';
import { liveRun, pauseContainer, unpauseContainer } from './pause.ts';
import { pruneContainers } from './prune.ts';
import { reconcile } from './reconcile.ts';
import { removeContainer } from './remove.ts';
import { renameContainer } from './rename.ts';
import { resizeContainer } from './resize.ts';
import { restartContainer } from './restart.ts';
import { startContainer } from './start.ts';
import { stopContainer } from './stop.ts';
import type { StopOptions } from './stop.ts';
import { updateContainer } from './update.ts';
import type { ContainerUpdate } from './update.ts';
import { waitForContainer } from './wait.ts';

/** What is not done by then when the daemon goes is for the next one to reconcile. */
const closeLimitMs = 5000;

export class ContainerEngine implements Engine {
  readonly #context: EngineContext;
  readonly #closing = new AbortController();

  /** Reads the state; call `reconcile` before anything else is asked of it. */
  constructor(ports: EnginePorts, settings: EngineSettings) {
    const registry = new Registry(ports.state, ports.logs, ports.observer);
    const context: EngineContext = {
      ...ports,
      settings,
      registry,
      events: new EventBus(),
      background: new BackgroundWork(ports.observer),
      closing: this.#closing.signal,
      restart: async (container) => {
        await startContainer(context, container, 'policy', this.#closing.signal);
      },
    };
    this.#context = context;
  }

  /** Compares what is stored with what is there, and makes it true. Once, before the first request. */
  reconcile(signal: AbortSignal): Promise<void> {
    return reconcile(this.#context, signal);
  }

  /** Resolves when no clean-up is under way any more. */
  settled(): Promise<void> {
    return this.#context.background.settled();
  }

  /** The daemon goes, the containers stay: what ends from now on is for the next daemon to see. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const container of this.#context.registry.all()) {
      clearTimeout(container.pendingRestart);
      container.streams.leaveInput();
      for (const exec of container.execs.values()) exec.streams.leaveInput();
    }
    await this.#context.background.settledWithin(closeLimitMs);
  }

  create(spec: ContainerSpec): Promise<ContainerView> {
    return Promise.try(() => createContainer(this.#context, spec).view());
  }

  start(nameOrId: string, signal: AbortSignal): Promise<boolean> {
    return Promise.try(() =>
      startContainer(this.#context, this.#context.registry.get(nameOrId), 'user', signal),
    );
  }

  stop(nameOrId: string, options: StopOptions): Promise<boolean> {
    return Promise.try(() => stopContainer(this.#context, this.#context.registry.get(nameOrId), options));
  }

  restart(nameOrId: string, options: StopOptions): Promise<void> {
    return restartContainer(this.#context, nameOrId, options);
  }

  kill(nameOrId: string, signal: string): Promise<void> {
    return killContainer(this.#context, nameOrId, signal);
  }

  pause(nameOrId: string): Promise<void> {
    return pauseContainer(this.#context, nameOrId);
  }

  unpause(nameOrId: string): Promise<void> {
    return unpauseContainer(this.#context, nameOrId);
  }

  rename(nameOrId: string, newName: string): void {
    renameContainer(this.#context, nameOrId, newName);
  }

  update(nameOrId: string, change: ContainerUpdate): Promise<void> {
    return updateContainer(this.#context, nameOrId, change);
  }

  remove(nameOrId: string, options: { readonly force: boolean; readonly volumes: boolean }): Promise<void> {
    return removeContainer(this.#context, nameOrId, options);
  }

  prune(
    filters: Readonly<Record<string, readonly string[]>>,
  ): Promise<{ readonly ids: readonly string[]; readonly reclaimedBytes: number }> {
    return pruneContainers(this.#context, filters);
  }

  get(nameOrId: string): ContainerView {
    return this.#context.registry.get(nameOrId).view();
  }

  list(filter: ContainerFilter): readonly ContainerView[] {
    return listContainers(this.#context, filter);
  }

  size(nameOrId: string): Promise<{ readonly writableBytes: number; readonly rootBytes: number }> {
    return containerSize(this.#context, nameOrId);
  }

  wait(nameOrId: string, condition: WaitCondition, signal: AbortSignal): ReturnType<Engine['wait']> {
    return waitForContainer(this.#context, nameOrId, condition, signal);
  }

  attach(nameOrId: string, options: AttachOptions, streams: AttachStreams): Attachment {
    return attachToContainer(this.#context, nameOrId, options, streams);
  }

  resize(nameOrId: string, size: TerminalSize): Promise<void> {
    return resizeContainer(this.#context, nameOrId, size);
  }

  logs(nameOrId: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogEntry> {
    return flatten(this.logBatches(nameOrId, query, signal));
  }

  logBatches(nameOrId: string, query: LogQuery, signal: AbortSignal): AsyncIterable<readonly LogEntry[]> {
    return readLogs(this.#context, nameOrId, query, signal);
  }

  top(nameOrId: string): Promise<readonly TopProcess[]> {
    return Promise.try(() => liveRun(this.#context.registry.get(nameOrId)).run.container.top());
  }

  stats(nameOrId: string): Promise<ContainerStats> {
    return Promise.try(() => liveRun(this.#context.registry.get(nameOrId)).run.container.stats());
  }

  execCreate(nameOrId: string, spec: ExecSpec): ExecView {
    return createExec(this.#context, nameOrId, spec);
  }

  execStart(
    execId: string,
    options: { readonly detach: boolean; readonly size?: TerminalSize },
    streams: AttachStreams,
    signal: AbortSignal,
  ): Promise<Attachment> {
    return startExec(this.#context, execId, options, streams, signal);
  }

  execResize(execId: string, size: TerminalSize): Promise<void> {
    return resizeExec(this.#context, execId, size);
  }

  execInspect(execId: string): ExecView {
    return findExec(this.#context, execId).exec.view();
  }

  events(query: EventQuery, signal: AbortSignal): AsyncIterable<EngineEvent> {
    return this.#context.events.subscribe(query, signal);
  }

  imageUser(imageId: string): string | undefined {
    return this.#context.registry.all().find(({ record }) => record.spec.imageId === imageId)?.id;
  }

  recordImageEvent(action: string, id: string, attributes: Readonly<Record<string, string>>): void {
    this.#context.events.emit({ type: 'image', action, id, attributes, time: new Date() });
  }

  info(): EngineInfo {
    return engineInfo(this.#context);
  }
}
