/**
 * What a container is to the engine. Facts only: `status` is derived from them (`container-status.ts`) and never stored.
 * Names and defaults follow Docker; the JSON of the Docker API is translated at `api/docker` and nowhere else.
 */
import type { Json } from './json.ts';
import type { ContainerResources, MountSpec, Rlimit } from '../ports/pod-runtime.ts';

export type RestartPolicy =
  | { readonly name: 'no' | 'always' | 'unless-stopped' }
  | { readonly name: 'on-failure'; readonly maximumRetryCount: number };

export interface LogOptions {
  readonly driver: 'json-file' | 'none';
  /** Rotated when it grows past this, bytes; undefined: the daemon's default. */
  readonly maxSizeBytes?: number;
  readonly maxFiles?: number;
}

/** What the user asked for, complete: image defaults are already merged in by `create`. */
export interface ContainerSpec {
  readonly name: string; // without the leading slash
  /** As the user wrote it. */
  readonly imageReference: string;
  readonly imageId: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly additionalGroups: readonly string[];
  readonly hostname: string;
  readonly domainname: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  /** Which streams `run` attached: part of inspect only. */
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string; // 'SIGTERM'
  readonly stopTimeoutSeconds?: number;
  readonly restartPolicy: RestartPolicy;
  readonly autoRemove: boolean;
  readonly readonlyRootfs: boolean;
  readonly init: boolean;
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly mounts: readonly MountSpec[];
  readonly rlimits: readonly Rlimit[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly shmSizeBytes: number;
  readonly oomScoreAdj: number;
  readonly resources: ContainerResources;
  /** --network: until networks exist only 'none' and the default (loopback only) are accepted. */
  readonly networkMode: 'default' | 'none';
  readonly log: LogOptions;
  /** Size of the writable layer, bytes; undefined: the daemon's default. */
  readonly storageSizeBytes?: number;
  readonly kernelPath?: string;
  /** What only inspect shows again, as it came (ExposedPorts, image volumes, annotations, …). */
  readonly echo: { readonly [key: string]: Json };
}

/** How a run of the container ended. */
export interface ContainerExit {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Set when it did not end by itself: it never started, or its VMM died. */
  readonly error: string;
  readonly finishedAt: Date;
}

export type ContainerStatus =
  'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

/** A container as everybody but the engine sees it: a snapshot. */
export interface ContainerView {
  readonly id: string; // 64 hex digits
  readonly spec: ContainerSpec;
  readonly createdAt: Date;
  readonly status: ContainerStatus;
  /** Host process that carries the sandbox; 0 when it does not run. */
  readonly pid: number;
  readonly startedAt?: Date;
  /** The last run's end. */
  readonly exit?: ContainerExit;
  readonly restartCount: number;
  readonly execIds: readonly string[];
  /** Where its files are on the host. */
  readonly logPath: string;
  /** How its sandbox came to be, while it runs (or of the last run). */
  readonly origin?: {
    readonly how: 'pool' | 'template' | 'boot';
    readonly vmm: string;
    readonly accelerator: string;
    readonly kernelRelease: string;
    readonly kernelKind: string;
    /** From `start` being asked to the process running, ms. */
    readonly startMs: number;
  };
}

export interface ExecSpec {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string; // '' = the container's
  readonly user: string; // '' = the container's
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly privileged: boolean;
  readonly detachKeys?: string;
  readonly size?: { readonly rows: number; readonly cols: number };
}

export interface ExecView {
  readonly id: string;
  readonly containerId: string;
  readonly spec: ExecSpec;
  readonly running: boolean;
  readonly exitCode?: number;
  readonly pid: number;
}

/** Docker's event stream: GET /events. */
export interface EngineEvent {
  readonly type: 'container' | 'image' | 'daemon';
  readonly action: string; // 'create', 'start', 'die', 'exec_start: sh', …
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly time: Date;
}
