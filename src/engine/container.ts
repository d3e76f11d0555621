/** A container in the living daemon: its stored facts, and what lives only as long as the daemon. */
import type { ContainerExit, ContainerView } from './model/container.ts';
import type { ContainerRecord, ExitRecord } from './model/record.ts';
import type { ContainerLog, LogStore } from './ports/log-store.ts';
import type { Sandbox, SandboxContainer, TerminalSize } from './ports/pod-runtime.ts';
import { countsAsRunning, statusOf } from './container-status.ts';
import type { Exec } from './exec-process.ts';
import { ProcessStreams } from './output/process-streams.ts';
import { RestartBackoff } from './restart-policy.ts';
import { Waiters } from './waiters.ts';

/** What exists only while a run does. */
export interface LiveRun {
  readonly sandbox: Sandbox;
  readonly container: SandboxContainer;
}

export class Container {
  /** Change it through the registry's `commit` only. */
  record: ContainerRecord;
  readonly log: ContainerLog | undefined;
  readonly logPath: string;
  readonly backoff = new RestartBackoff();
  readonly waiters = new Waiters();
  readonly execs = new Map<string, Exec>();
  /** Of the run that is, or of the next one: clients may attach before it starts. */
  streams: ProcessStreams;
  run: LiveRun | undefined;
  /** Of an earlier run, and could not be destroyed. */
  leftover: Sandbox | undefined;
  /** The restart policy will start it, or is starting it: the delay's clock. */
  pendingRestart: NodeJS.Timeout | undefined;
  /** Asked for before the process was there. */
  terminalSize: TerminalSize | undefined;
  /** A removal is under way. */
  removing = false;
  /** `restart` stops it only to start it again: neither `--rm` nor the restart policy has a say. */
  restarting = false;

  constructor(record: ContainerRecord, logs: LogStore) {
    this.record = record;
    this.log = logs.open(record.id, record.spec.log);
    this.logPath = logs.pathOf(record.id, record.spec.log);
    this.streams = this.newStreams();
  }

  get id(): string {
    return this.record.id;
  }

  get name(): string {
    return this.record.spec.name;
  }

  get status(): ReturnType<typeof statusOf> {
    return statusOf(this.record, {
      restartPending: this.pendingRestart !== undefined,
      removing: this.removing,
    });
  }

  /** Docker's idea of it: paused and about to be restarted count. */
  get isRunning(): boolean {
    const restartPending = this.pendingRestart !== undefined;
    return countsAsRunning(statusOf(this.record, { restartPending, removing: false }));
  }

  /** For the next run, and for those who attach to it now. */
  newStreams(): ProcessStreams {
    const { openStdin, stdinOnce, tty } = this.record.spec;
    return new ProcessStreams(this.log, { open: openStdin, closesWithClient: stdinOnce && !tty });
  }

  /** The latest end: of the run, or of a start that failed. */
  get exit(): ContainerExit | undefined {
    const exit = this.record.startFailure ?? this.record.run?.exit;
    return exit === undefined ? undefined : exitOf(exit);
  }

  view(): ContainerView {
    const { record } = this;
    const { run } = record;
    const exit = this.exit;
    return {
      id: record.id,
      spec: record.spec,
      createdAt: new Date(record.createdAt),
      status: this.status,
      pid: run !== undefined && run.exit === undefined ? run.sandboxPid : 0,
      ...(run !== undefined && { startedAt: new Date(run.startedAt) }),
      ...(exit !== undefined && { exit }),
      restartCount: record.restartCount,
      execIds: [...this.execs.values()].filter((exec) => exec.isRunning).map((exec) => exec.id),
      logPath: this.logPath,
      ...(run !== undefined && { origin: { ...run.origin, startMs: run.startMs } }),
    };
  }
}

export function exitOf(record: ExitRecord): ContainerExit {
  return { ...record, finishedAt: new Date(record.finishedAt) };
}
