/** What `dvm doctor` says of the host: what machines need, what was found, and what to do about it. */
import { accessSync, constants, readlinkSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import { findCgroupParent } from '../../system/cgroup.ts';
import { runCommand } from '../../system/run-command.ts';
import { spawnInNamespaces } from '../../system/spawn-in-namespaces.ts';
import { cageNamespaces } from './cage.ts';
import type { KvmCheck } from './probe-accelerator.ts';
import {
  installAdvice,
  isAtLeast,
  minimumVersion,
  qemuProgram,
  qemuVersion,
  recommendedVersion,
} from './qemu-program.ts';

export interface HostCheck {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'error';
  readonly found: string;
  /** What to install or change; empty when all is well. */
  readonly advice: string;
}

export interface CheckHostOptions {
  /** As `probeAccelerator` found it. */
  readonly kvm: KvmCheck;
  /** Where images and disks, and where sockets and machines are. */
  readonly dataDirectory: string;
  readonly stateDirectory: string;
}

type Check = (options: CheckHostOptions, signal: AbortSignal) => HostCheck | Promise<HostCheck>;

const checks: Readonly<Record<string, Check>> = {
  privileges: checkPrivileges,
  qemu: checkQemu,
  kvm: ({ kvm }) => checkKvmResult(kvm),
  node: checkNode,
  cgroups: checkCgroups,
  namespaces: checkNamespaces,
  memory: checkMemory,
  'data directory': ({ dataDirectory }) => checkDisk('data directory', dataDirectory, 5),
  'state directory': ({ stateDirectory }) => checkDisk('state directory', stateDirectory, 0.1),
  tun: checkTun,
  nftables: checkNftables,
};

/** In a fixed order. A check that fails itself is an error of that check. */
export async function checkHost(
  options: CheckHostOptions,
  signal: AbortSignal,
): Promise<readonly HostCheck[]> {
  return await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        return await check(options, signal);
      } catch (error) {
        signal.throwIfAborted();
        return { name, status: 'error' as const, found: messageOf(error), advice: '' };
      }
    }),
  );
}

function ok(name: string, found: string): HostCheck {
  return { name, status: 'ok', found, advice: '' };
}

function checkPrivileges(): HostCheck {
  const name = 'privileges';
  if (process.geteuid?.() === 0) return ok(name, 'root');
  const advice = 'start dvmd as root: it gives each VMM a user, namespaces and a control group of its own';
  return { name, status: 'error', found: `user ${process.geteuid?.() ?? 'unknown'}`, advice };
}

async function checkQemu(_options: CheckHostOptions, signal: AbortSignal): Promise<HostCheck> {
  const name = 'qemu';
  let version: string;
  try {
    version = await qemuVersion(qemuProgram, signal);
  } catch (error) {
    if (error instanceof EngineError)
      return { name, status: 'error', found: error.message, advice: installAdvice };
    throw error;
  }
  const found = `QEMU ${version} at ${qemuProgram}`;
  if (!isAtLeast(version, minimumVersion)) return { name, status: 'error', found, advice: installAdvice };
  if (!isAtLeast(version, recommendedVersion))
    return { name, status: 'warning', found, advice: installAdvice };
  return ok(name, found);
}

const kvmAdvice: Readonly<Record<KvmCheck['status'], string>> = {
  works: '',
  'no-device':
    'switch virtualisation on in the firmware and load kvm_intel or kvm_amd; in a VM, have its host allow nesting',
  'no-permission': 'start dvmd as root, or let it open /dev/kvm',
  'does-not-run':
    'in a VM, have its host allow nested virtualisation; until then pods run in software emulation, several times slower',
};

function checkKvmResult(kvm: KvmCheck): HostCheck {
  const status = kvm.status === 'works' ? 'ok' : 'warning';
  return { name: 'kvm', status, found: kvm.explanation, advice: kvmAdvice[kvm.status] };
}

async function checkNode(): Promise<HostCheck> {
  const name = 'node';
  const found = `Node ${process.versions.node}`;
  const advice = 'run dvmd with the Node that "make" installs (26 or newer, with node:ffi)';
  if (Number(process.versions.node.split('.')[0]) < 26) return { name, status: 'error', found, advice };
  try {
    await import('node:ffi');
    return ok(name, `${found} with node:ffi`);
  } catch (error) {
    return { name, status: 'error', found: `${found} without node:ffi: ${messageOf(error)}`, advice };
  }
}

function checkCgroups(): HostCheck {
  const name = 'cgroups';
  const parent = findCgroupParent('dvm');
  if (parent === undefined) {
    return {
      name,
      status: 'error',
      found: 'no control groups for memory',
      advice: 'mount cgroup2 on /sys/fs/cgroup',
    };
  }
  const missing = (['memory', 'pids', 'cpu'] as const).filter((one) => parent.directories[one] === undefined);
  const found = `version ${parent.version}`;
  if (missing.length === 0) return ok(name, found);
  const advice = `enable the ${missing.join(' and ')} controller: without it a VMM is not limited in that`;
  return { name, status: 'warning', found: `${found}, without ${missing.join(' and ')}`, advice };
}

/** Makes them for a program that does nothing. */
async function checkNamespaces(): Promise<HostCheck> {
  const name = 'namespaces';
  const child = spawnInNamespaces(cageNamespaces, '/bin/true', [], { stdio: 'ignore', env: {} });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('exit', resolve);
  const code = await promise;
  if (code === 0) return ok(name, `${cageNamespaces.join(', ')} (own: ${readlinkSync('/proc/self/ns/pid')})`);
  return {
    name,
    status: 'error',
    found: `a program in new namespaces ended with ${code ?? 'a signal'}`,
    advice: '',
  };
}

const gib = 1024 ** 3;

function checkMemory(): HostCheck {
  const name = 'memory';
  const found = `${(freemem() / gib).toFixed(1)} of ${(totalmem() / gib).toFixed(1)} GiB available`;
  if (freemem() >= gib / 2) return ok(name, found);
  return {
    name,
    status: 'warning',
    found,
    advice: 'free memory or stop pods: an idle pod takes some 30 MiB',
  };
}

async function checkDisk(name: string, directory: string, wantedGib: number): Promise<HostCheck> {
  const { bavail, bsize } = await statfs(directory);
  const available = (bavail * bsize) / gib;
  const found = `${available.toFixed(1)} GiB available in ${directory}`;
  if (available >= wantedGib) return ok(name, found);
  return {
    name,
    status: 'warning',
    found,
    advice: 'free space ("dvm image prune"), or move it to another disk',
  };
}

/** Not needed yet: networks of pods will be. */
function checkTun(): HostCheck {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return ok('tun', '/dev/net/tun');
  } catch {
    const advice = 'load the tun module: pods will need it for networks of their own';
    return { name: 'tun', status: 'warning', found: '/dev/net/tun cannot be opened', advice };
  }
}

async function checkNftables(_options: CheckHostOptions, signal: AbortSignal): Promise<HostCheck> {
  try {
    const { stdout } = await runCommand('nft', ['--version'], { signal, timeoutMs: 5000 });
    return ok('nftables', stdout.toString().trim());
  } catch (error) {
    signal.throwIfAborted();
    const advice = 'install nftables: pods will need it for networks of their own';
    return { name: 'nftables', status: 'warning', found: messageOf(error), advice };
  }
}
