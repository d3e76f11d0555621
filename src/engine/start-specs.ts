/** What the runtime is told of a container and of an exec: the spec, with everything that has a default filled in. */
import type { ContainerSpec, ExecSpec } from './model/container.ts';
import type {
  ContainerStartSpec,
  LayerFile,
  ProcessSpec,
  SandboxSpec,
  TerminalSize,
} from './ports/pod-runtime.ts';
import { allCapabilities, resolveCapabilities } from './capabilities.ts';
import { defaultPath, overrideEnvironment } from './environment.ts';
import { networkFiles } from './network-files.ts';

/** More CPUs than by default only for who may use more: each shape of machine needs a template of its own. */
export function sandboxSpec(id: string, spec: ContainerSpec, defaultVcpus: number): SandboxSpec {
  const { memoryMaxBytes, cpuQuotaUs, cpuPeriodUs } = spec.resources;
  const wanted = Math.ceil((cpuQuotaUs ?? 0) / (cpuPeriodUs ?? 100_000));
  return {
    id,
    hostname: spec.hostname,
    ...(memoryMaxBytes !== undefined && memoryMaxBytes > 0 && { memoryBytes: memoryMaxBytes }),
    ...(wanted > defaultVcpus && { vcpus: wanted }),
    ...(spec.kernelPath !== undefined && { kernelPath: spec.kernelPath }),
  };
}

export interface StartFacts {
  readonly id: string;
  readonly layers: readonly LayerFile[];
  readonly writablePath: string;
  readonly resolvConf: string;
  readonly size: TerminalSize | undefined;
}

export function containerStartSpec(spec: ContainerSpec, facts: StartFacts): ContainerStartSpec {
  return {
    id: facts.id,
    layers: facts.layers,
    writablePath: facts.writablePath,
    readonlyRoot: spec.readonlyRootfs,
    hostname: spec.hostname,
    privileged: spec.privileged,
    sharePid: false,
    init: spec.init,
    mounts: spec.mounts,
    shmSizeBytes: spec.shmSizeBytes,
    files: networkFiles(spec, facts.resolvConf),
    sysctls: spec.sysctls,
    resources: spec.resources,
    process: {
      args: [...spec.entrypoint, ...spec.cmd],
      env: processEnvironment(spec, spec.tty, []),
      cwd: spec.workingDir === '' ? '/' : spec.workingDir,
      user: spec.user,
      additionalGroups: spec.additionalGroups,
      tty: spec.tty,
      ...(facts.size !== undefined && { size: facts.size }),
      stdinOpen: spec.openStdin,
      rlimits: spec.rlimits,
      capabilities: resolveCapabilities(spec),
      noNewPrivileges: spec.noNewPrivileges,
      oomScoreAdj: spec.oomScoreAdj,
      discardOutput: false,
    },
  };
}

export function execProcessSpec(
  spec: ContainerSpec,
  exec: ExecSpec,
  options: { readonly detach: boolean; readonly size: TerminalSize | undefined },
): ProcessSpec {
  const workingDir = exec.workingDir === '' ? spec.workingDir : exec.workingDir;
  return {
    args: exec.args,
    env: processEnvironment(spec, exec.tty, exec.env),
    cwd: workingDir === '' ? '/' : workingDir,
    user: exec.user === '' ? spec.user : exec.user,
    additionalGroups: spec.additionalGroups,
    tty: exec.tty,
    ...(options.size !== undefined && { size: options.size }),
    stdinOpen: exec.attachStdin && !options.detach,
    rlimits: spec.rlimits,
    capabilities: exec.privileged ? allCapabilities : resolveCapabilities(spec),
    noNewPrivileges: spec.noNewPrivileges,
    oomScoreAdj: spec.oomScoreAdj,
    discardOutput: options.detach || !(exec.attachStdout || exec.attachStderr),
  };
}

function processEnvironment(spec: ContainerSpec, tty: boolean, own: readonly string[]): readonly string[] {
  const base = [`PATH=${defaultPath}`, `HOSTNAME=${spec.hostname}`, ...(tty ? ['TERM=xterm'] : [])];
  return overrideEnvironment(overrideEnvironment(base, spec.env), own);
}
