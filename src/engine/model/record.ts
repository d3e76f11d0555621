/**
 * What is stored of pods and containers: facts and intents, never a status. An intent (`starting`, `removal`,
 * a sandbox without a record) is written before its side effect, so that after a crash `reconcile` knows what may have
 * been left half done. Times are milliseconds since the epoch.
 */
import type { ContainerSpec, ExecSpec } from './container.ts';
import type { Json } from './json.ts';
import type { LayerFile, SandboxOrigin } from '../ports/pod-runtime.ts';

/** The unit of isolation. A container made through the Docker API is a pod of one. */
export interface PodRecord {
  readonly id: string;
  readonly createdAt: number;
  /** There, or about to be: written before the runtime is asked for it. */
  readonly sandbox?: SandboxRecord;
}

export interface SandboxRecord {
  readonly id: string;
  /** What the runtime finds it by again; missing until it was made and its container runs. */
  readonly record?: Json;
}

export interface ContainerRecord {
  readonly id: string;
  readonly podId: string;
  /** In order of creation, across restarts. */
  readonly sequence: number;
  readonly createdAt: number;
  readonly spec: ContainerSpec;
  readonly restartCount: number;
  /** A user stopped it: `unless-stopped` does not start it again. */
  readonly manuallyStopped: boolean;
  /** The image's, bottom first, as they were held at creation: they outlive the image. */
  readonly layers: readonly LayerFile[];
  /** Intent: it is being started, since when. */
  readonly startingSince?: number;
  /** Intent: a user or `--rm` wants it gone. */
  readonly removal?: true;
  /** The latest run that began. */
  readonly run?: RunRecord;
  /** Why the latest start failed, when it did after `run` had ended. */
  readonly startFailure?: ExitRecord;
  /** Execs that run. */
  readonly execs: readonly ExecRecord[];
}

export interface RunRecord {
  readonly startedAt: number;
  readonly startMs: number;
  readonly origin: SandboxOrigin;
  readonly sandboxPid: number;
  readonly container: Json;
  readonly process: Json;
  readonly paused: boolean;
  readonly exit?: ExitRecord;
}

export interface ExitRecord {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly finishedAt: number;
}

export interface ExecRecord {
  readonly id: string;
  readonly spec: ExecSpec;
  readonly pid: number;
  readonly process: Json;
}
