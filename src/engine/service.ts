/**
 * The engine as the APIs see it. Docker's router and DVM's own take what they need of this interface; the
 * implementation is `engine.ts`, one verb per file beside it. Every method throws EngineError and nothing else.
 * `nameOrId` is a name, a full ID or an unambiguous prefix of one.
 */
import type {
  ContainerExit,
  ContainerSpec,
  ContainerView,
  EngineEvent,
  ExecSpec,
  ExecView,
} from './model/container.ts';
import type { LogEntry, LogQuery } from './model/log.ts';
import type {
  ContainerResources,
  ContainerStats,
  RuntimeInfo,
  TerminalSize,
  TopProcess,
} from './ports/pod-runtime.ts';

export type { LogEntry, LogQuery } from './model/log.ts';

/** An attached client's side. The engine writes output to it and reads stdin from it. */
export interface AttachStreams {
  /** Undefined: stdin is not attached. Ends: stdin is closed (when the container has StdinOnce, or it is an exec). */
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Resolves when the client took it; while it does not, the process is held back. Rejects when the client is gone. */
  readonly write?: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => Promise<void> | void;
}

export interface Attachment {
  /** Resolves when all output was delivered, the client detached or went away. */
  readonly done: Promise<void>;
  /** Stops delivering; the container goes on. Idempotent. */
  detach(): void;
}

export interface AttachOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replay what was logged before. */
  readonly logs: boolean;
  /** Follow what comes; false: only `logs`. */
  readonly stream: boolean;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface ContainerFilter {
  readonly all: boolean;
  readonly limit?: number;
  /** Docker's filters, each a list of alternatives: id, name, label, status, exited, ancestor, before, since, health, is-task, … */
  readonly filters: Readonly<Record<string, readonly string[]>>;
}

export interface EngineInfo {
  readonly id: string;
  readonly containers: { readonly running: number; readonly paused: number; readonly stopped: number };
  readonly images: number;
  readonly runtime: RuntimeInfo;
  readonly dataDirectory: string;
  readonly warnings: readonly string[];
}

/** `--name` taken and the like are refused by `create`; nothing is left behind by a call that throws. */
export interface Engine {
  create(spec: ContainerSpec): Promise<ContainerView>;
  /** False: it runs already. */
  start(nameOrId: string, signal: AbortSignal): Promise<boolean>;
  /** False: it did not run. `timeoutSeconds` undefined: the container's own, then 10; negative: wait for ever. */
  stop(
    nameOrId: string,
    options: { readonly timeoutSeconds?: number; readonly signal?: string },
  ): Promise<boolean>;
  restart(
    nameOrId: string,
    options: { readonly timeoutSeconds?: number; readonly signal?: string },
  ): Promise<void>;
  kill(nameOrId: string, signal: string): Promise<void>;
  pause(nameOrId: string): Promise<void>;
  unpause(nameOrId: string): Promise<void>;
  rename(nameOrId: string, newName: string): void;
  update(
    nameOrId: string,
    change: {
      readonly resources?: ContainerResources;
      readonly restartPolicy?: ContainerSpec['restartPolicy'];
    },
  ): Promise<void>;
  remove(nameOrId: string, options: { readonly force: boolean; readonly volumes: boolean }): Promise<void>;
  prune(
    filters: Readonly<Record<string, readonly string[]>>,
  ): Promise<{ readonly ids: readonly string[]; readonly reclaimedBytes: number }>;
  get(nameOrId: string): ContainerView;
  list(filter: ContainerFilter): readonly ContainerView[];
  /** Bytes of the writable layer on the host, and of image and layer together (`ps -s`, `inspect --size`). */
  size(nameOrId: string): Promise<{ readonly writableBytes: number; readonly rootBytes: number }>;
  /**
   * Registers before it returns, so that the caller can flush its response headers before somebody calls `start`.
   * The promise inside resolves with the exit.
   */
  wait(
    nameOrId: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): { readonly exit: Promise<ContainerExit> };
  /** Also for a container that does not run yet: output is delivered from its first byte. Registered before it returns. */
  attach(nameOrId: string, options: AttachOptions, streams: AttachStreams): Attachment;
  resize(nameOrId: string, size: TerminalSize): Promise<void>;
  logs(nameOrId: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogEntry>;
  /** As `logs`, many lines (1024 at most) at a time: for a gigabyte of them. */
  logBatches(nameOrId: string, query: LogQuery, signal: AbortSignal): AsyncIterable<readonly LogEntry[]>;
  top(nameOrId: string): Promise<readonly TopProcess[]>;
  stats(nameOrId: string): Promise<ContainerStats>;
  execCreate(nameOrId: string, spec: ExecSpec): ExecView;
  /** Resolves when the process runs; detached: without streams. */
  execStart(
    execId: string,
    options: { readonly detach: boolean; readonly size?: TerminalSize },
    streams: AttachStreams,
    signal: AbortSignal,
  ): Promise<Attachment>;
  execResize(execId: string, size: TerminalSize): Promise<void>;
  execInspect(execId: string): ExecView;
  /** Every event from now on (or since a time kept in memory, as Docker does), until the signal. */
  events(
    query: {
      readonly since?: Date;
      readonly until?: Date;
      readonly filters: Readonly<Record<string, readonly string[]>>;
    },
    signal: AbortSignal,
  ): AsyncIterable<EngineEvent>;
  /** What image removal asks. */
  imageUser(imageId: string): string | undefined;
  recordImageEvent(action: string, id: string, attributes: Readonly<Record<string, string>>): void;
  info(): EngineInfo;
}
