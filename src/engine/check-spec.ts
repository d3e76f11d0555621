/** What can be said against a container before it exists. */
import { EngineError } from '../errors/engine-error.ts';
import type { ContainerSpec } from './model/container.ts';
import type { ContainerResources, Rlimit } from './ports/pod-runtime.ts';
import { resolveCapabilities } from './capabilities.ts';
import { parseSignal } from './signals.ts';
import { checkTmpfs } from './tmpfs-options.ts';

const rlimits = new Set(
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
);
const leastMemoryBytes = 6 << 20;

/** Throws `invalid_argument` which names the field and what is wrong with it. */
export function checkSpec(spec: ContainerSpec): void {
  if (spec.entrypoint.length + spec.cmd.length === 0) refuse('no command specified');
  for (const text of [...spec.entrypoint, ...spec.cmd, ...spec.env])
    if (text.includes('\0')) refuse('arguments and environment variables must not hold a NUL byte');
  for (const entry of spec.env)
    if (entry === '' || entry.startsWith('=')) refuse(`invalid environment variable: "${entry}"`);
  if (spec.workingDir !== '' && !spec.workingDir.startsWith('/'))
    refuse(`the working directory '${spec.workingDir}' is invalid, it needs to be an absolute path`);
  checkHostname(spec.hostname);
  parseSignal(spec.stopSignal);
  resolveCapabilities(spec);
  for (const mount of spec.mounts) checkTmpfs(mount.target, mount.options);
  for (const rlimit of spec.rlimits) checkRlimit(rlimit);
  checkResources(spec.resources);
  if (spec.shmSizeBytes < 0) refuse('SHM size must be greater than 0');
  if (spec.oomScoreAdj < -1000 || spec.oomScoreAdj > 1000)
    refuse(`invalid value ${spec.oomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  checkRestartPolicy(spec.restartPolicy, spec.autoRemove);
}

export function checkRestartPolicy(policy: ContainerSpec['restartPolicy'], autoRemove: boolean): void {
  if (autoRemove && policy.name !== 'no')
    refuse("can't create 'AutoRemove' container with restart policy: choose --rm or --restart");
  if (policy.name === 'on-failure' && policy.maximumRetryCount < 0)
    refuse('invalid restart policy: maximum retry count cannot be negative');
}

export function checkResources(resources: ContainerResources): void {
  const { memoryMaxBytes: memory, memorySwapBytes: swap, memoryReservationBytes: reservation } = resources;
  if (memory !== undefined && memory > 0 && memory < leastMemoryBytes)
    refuse('Minimum memory limit allowed is 6MB');
  if (swap !== undefined && swap > 0 && memory === undefined)
    refuse('You should always set the Memory limit when using Memoryswap limit');
  if (swap !== undefined && swap > 0 && memory !== undefined && swap < memory)
    refuse('Minimum memoryswap limit should be larger than memory limit');
  if (reservation !== undefined && memory !== undefined && memory > 0 && memory < reservation)
    refuse('Minimum memory limit can not be less than memory reservation limit');
  const { cpuPeriodUs: period, cpuQuotaUs: quota } = resources;
  if (period !== undefined && period !== 0 && (period < 1000 || period > 1_000_000))
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  if (quota !== undefined && quota > 0 && quota < 1000)
    refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
}

function checkRlimit({ resource, soft, hard }: Rlimit): void {
  if (!rlimits.has(resource)) refuse(`invalid ulimit type: ${resource}`);
  if (hard !== -1 && (soft === -1 || soft > hard))
    refuse(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
}

function checkHostname(hostname: string): void {
  if (hostname.length > 63) refuse(`hostname is too long: "${hostname}" has more than 63 characters`);
  if (hostname !== '' && !/^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(hostname))
    refuse(`invalid hostname: "${hostname}"`);
}

function refuse(message: string): never {
  throw new EngineError('invalid_argument', message);
}
