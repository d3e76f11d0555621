/**
 * The port between the engine and whatever holds a pod apart (microVM; later gVisor, runc).
 * The engine never sees a VMM, a disk serial or a frame.
 */
import type { Json } from '../model/json.ts';

/** A layer on the host, ready to be plugged in: an EROFS file. */
export interface LayerFile {
  readonly digest: string; // diff ID, sha256:…
  readonly path: string;
}

export interface SandboxSpec {
  readonly id: string; // 64 hex digits
  readonly hostname: string;
  /** Guest memory that must be there at least, bytes; the runtime picks the shape. undefined: its default. */
  readonly memoryBytes?: number;
  readonly vcpus?: number;
  /** A kernel of the user's own for this pod. */
  readonly kernelPath?: string;
}

export interface Rlimit {
  readonly resource: string; // 'nofile', 'nproc', …
  readonly soft: number; // -1 = unlimited
  readonly hard: number;
}

export interface ProcessSpec {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly additionalGroups: readonly string[];
  readonly tty: boolean;
  readonly size?: TerminalSize;
  readonly stdinOpen: boolean;
  readonly rlimits: readonly Rlimit[];
  /** Names without CAP_, upper case: the bounding, permitted and effective set. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
  /** Nobody reads the output and nothing is logged (a detached exec). */
  readonly discardOutput: boolean;
}

export interface TerminalSize {
  readonly rows: number;
  readonly cols: number;
}

export interface MountSpec {
  readonly type: 'tmpfs';
  readonly target: string;
  /** As in Docker's --tmpfs: rw, ro, noexec, nosuid, nodev, exec, suid, dev, size=, mode=, uid=, gid=, nr_inodes=. */
  readonly options: readonly string[];
}

export interface InjectedFile {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Shown over the image's file without being written to the writable layer (/etc/hosts, /etc/resolv.conf, …). */
  readonly overlaid: boolean;
  readonly content: Uint8Array;
}

/** Limits inside the pod; undefined = none. */
export interface ContainerResources {
  readonly memoryMaxBytes?: number;
  readonly memoryReservationBytes?: number;
  /** memory + swap as in Docker; -1 = unlimited swap. */
  readonly memorySwapBytes?: number;
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly cpuShares?: number;
  readonly pidsMax?: number;
}

export interface ContainerStartSpec {
  readonly id: string; // 64 hex digits
  readonly layers: readonly LayerFile[]; // bottom first, as in the image's config
  /** The writable ext4 file; undefined: no writable layer. */
  readonly writablePath?: string;
  readonly readonlyRoot: boolean;
  readonly hostname: string;
  readonly privileged: boolean;
  readonly sharePid: boolean;
  readonly init: boolean;
  readonly mounts: readonly MountSpec[];
  readonly shmSizeBytes: number;
  readonly files: readonly InjectedFile[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly resources: ContainerResources;
  readonly process: ProcessSpec;
}

export interface ProcessExit {
  /** Docker's: the process's own code, or 128 + signal. */
  readonly exitCode: number;
  readonly signal?: number;
  readonly oomKilled: boolean;
  readonly exitedAt: Date;
}

/**
 * Where a process's output goes. The runtime acknowledges bytes to the guest only when `write` has resolved, so a
 * sink that waits slows the process down and nothing is lost. `offset` counts the stream's bytes from its start;
 * after a daemon's restart the runtime begins at the offset that was asked for in `resume`.
 */
export interface OutputSink {
  write(stream: 'stdout' | 'stderr', offset: bigint, chunk: Buffer): void | Promise<void>;
  /** The stream has ended. */
  close(stream: 'stdout' | 'stderr'): void;
}

/** A process inside a sandbox: a container's first one, or an exec. */
export interface SandboxProcess {
  readonly pid: number;
  /** Enough, with the sandbox's record, to find it again. */
  readonly record: Json;
  /** Resolves when the process has ended (its output may still be on its way); rejects never. `lost`: the sandbox died. */
  readonly exited: Promise<ProcessExit | { readonly lost: string }>;
  /** Resolves when both output streams have ended and every byte was taken by the sink, or the sandbox died. */
  readonly drained: Promise<void>;
  /** Resolves when the guest has room for more; a rejected promise means that the process no longer reads. */
  writeStdin(chunk: Buffer): Promise<void>;
  closeStdin(): Promise<void>;
  signal(signal: number, options?: { readonly all?: boolean }): Promise<void>;
  resize(size: TerminalSize): Promise<void>;
  /** The exit and all output have been recorded: the guest may forget them. */
  release(): Promise<void>;
}

export interface ContainerStats {
  readonly cpuUsageNs: bigint;
  readonly cpuUserNs: bigint;
  readonly cpuSystemNs: bigint;
  readonly memoryBytes: bigint;
  readonly memoryPeakBytes: bigint;
  readonly memoryMaxBytes: bigint;
  readonly memoryInactiveFileBytes: bigint;
  readonly pids: bigint;
  readonly readBytes: bigint;
  readonly writeBytes: bigint;
}

export interface TopProcess {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly user: string;
  readonly state: string;
  readonly startedAt: Date;
  readonly cpuNs: bigint;
  readonly rssBytes: bigint;
  readonly tty: string;
  readonly command: string;
}

/** A container whose first process has been started. */
export interface SandboxContainer {
  readonly process: SandboxProcess;
  readonly record: Json;
  exec(spec: ProcessSpec, sink: OutputSink, signal: AbortSignal): Promise<SandboxProcess>;
  /** Finds an exec again after the daemon was replaced; undefined when the guest does not have it. */
  resumeExec(process: ProcessResume, signal: AbortSignal): Promise<SandboxProcess | undefined>;
  freeze(frozen: boolean): Promise<void>;
  update(resources: ContainerResources): Promise<void>;
  stats(): Promise<ContainerStats>;
  top(): Promise<readonly TopProcess[]>;
  /** Kills what is left, unmounts, writes the writable layer out, unplugs its disks. Idempotent. */
  remove(): Promise<void>;
}

/**
 * What to pick up again after the daemon was replaced. An offset that lies before what the guest still has stands for
 * the oldest byte it has: whoever kept no output asks for 0.
 */
export interface ProcessResume {
  readonly record: Json;
  readonly stdoutOffset: bigint;
  readonly stderrOffset: bigint;
  readonly sink: OutputSink;
}

/** How a sandbox came to be and what carries it: for `dvm run`'s last line, inspect and traces. */
export interface SandboxOrigin {
  readonly how: 'pool' | 'template' | 'boot';
  readonly vmm: string;
  readonly accelerator: string;
  readonly kernelRelease: string;
  readonly kernelKind: 'trimmed' | 'stock' | 'custom';
}

export interface Sandbox extends AsyncDisposable {
  readonly id: string;
  readonly record: Json;
  readonly origin: SandboxOrigin;
  /** Host process that carries it (the VMM). */
  readonly pid: number;
  readonly vcpus: number;
  readonly memoryBytes: number;
  /** Resolves with why, once, when the sandbox is gone without having been asked to; never rejects. */
  readonly lost: Promise<string>;
  startContainer(spec: ContainerStartSpec, sink: OutputSink, signal: AbortSignal): Promise<SandboxContainer>;
  /** Finds a container and its processes again; undefined when the guest does not have it. */
  resumeContainer(
    record: Json,
    process: ProcessResume,
    signal: AbortSignal,
  ): Promise<SandboxContainer | undefined>;
  /** Ends everything in it at once. Whoever wants data written out removes the containers first. Idempotent. */
  destroy(): Promise<void>;
}

export interface RuntimeInfo {
  readonly name: string; // 'microvm'
  readonly vmm: string;
  readonly vmmVersion: string;
  readonly accelerator: string;
  readonly kernelRelease: string;
  readonly kernelKind: 'trimmed' | 'stock' | 'custom';
  readonly kernelPath: string;
  readonly templates: number;
  readonly pool: { readonly target: number; readonly ready: number };
  readonly defaultMemoryBytes: number;
  readonly defaultVcpus: number;
}

export interface PodRuntime {
  info(): RuntimeInfo;
  /** From the pool, a template, or by booting; unique (entropy, ids, clock) before it resolves. */
  createSandbox(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox>;
  /** Undefined when it is gone; what it left on the host has then been removed. */
  resumeSandbox(record: Json, signal: AbortSignal): Promise<Sandbox | undefined>;
  /** Removes whatever sandboxes left behind that are not in `known`. */
  removeStrays(known: ReadonlySet<string>): Promise<void>;
}
