/**
 * What a daemon has on the host, counted: for tests that nothing stays behind. Counts and not names, because the pool's
 * machines change while their number does not.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { instanceOf } from '../../src/daemon/instance.ts';
import type { TestDaemon } from './daemon-fixture.ts';

interface Pool {
  readonly ready: number;
  readonly target: number;
}

/** Keys say what is counted: `processes qemu-system-x86_64`, `files DIR/…`, `mounts`, `cgroups`, `descriptors`. */
export type Footprint = Readonly<Record<string, number>>;

/** Once the pool, which refills in the background, is full. */
export async function footprint(daemon: TestDaemon): Promise<Footprint> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { stdout } = await daemon.dvm(['info', '--format', '{{json .Dvm.pool}}']);
    const pool = JSON.parse(stdout) as Pool;
    if (pool.ready >= pool.target) return await count(daemon);
    assert.ok(performance.now() < deadline, `the pool stays at ${pool.ready} of ${pool.target}`);
    await delay(50);
  }
}

async function count(daemon: TestDaemon): Promise<Footprint> {
  const counts: Record<string, number> = {};
  const add = (key: string) => {
    counts[key] = (counts[key] ?? 0) + 1;
  };
  for (const name of await processesOf(daemon)) add(`processes ${name}`);
  for (const line of (await readFile('/proc/mounts', 'utf8')).split('\n'))
    if (line.includes('dvm')) add('mounts');
  for (const kind of await fileKinds(daemon.directory)) add(kind);
  const { cgroupName } = instanceOf({ stateDirectory: daemon.stateDirectory, uids: undefined });
  for (const path of await readdir('/sys/fs/cgroup', { recursive: true }))
    if (path.includes(cgroupName)) add('cgroups');
  for (const target of await descriptors(daemon.pid)) add(`descriptors of the daemon: ${target}`);
  return counts;
}

/**
 * Waits until the daemon has no more on the host than `before`; fails, and says what is left, when that takes longer
 * than `timeoutMs`. What goes away without anybody asking (a VMM that is being killed, a pool that refills) has no event.
 */
export async function assertNoMoreThan(
  before: Footprint,
  daemon: TestDaemon,
  options: { readonly ignore?: RegExp; readonly timeoutMs?: number } = {},
): Promise<void> {
  const deadline = performance.now() + (options.timeoutMs ?? 30_000);
  for (;;) {
    const now = await footprint(daemon);
    const more = Object.entries(now)
      .filter(([key, value]) => value > (before[key] ?? 0) && options.ignore?.test(key) !== true)
      .map(([key, value]) => `${key}: ${before[key] ?? 0} before, ${value} now`);
    if (more.length === 0) return;
    assert.ok(performance.now() < deadline, `left behind:\n${more.join('\n')}`);
    await delay(100);
  }
}

/** Names of the processes that carry the daemon's directory in their arguments, or descend from the daemon. */
async function processesOf(daemon: TestDaemon): Promise<string[]> {
  const all = new Map<number, { name: string; parent: number; command: string }>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const [stat, command] = await Promise.all([
      readFile(`/proc/${entry}/stat`, 'utf8').catch(() => ''),
      readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => ''),
    ]);
    const match = /^\d+ \((.*)\) \S (\d+)/s.exec(stat);
    if (match) all.set(Number(entry), { name: match[1] ?? '', parent: Number(match[2]), command });
  }
  const isOurs = (pid: number): boolean => {
    const found = all.get(pid);
    if (!found) return false;
    return pid === daemon.pid || found.command.includes(daemon.directory) || isOurs(found.parent);
  };
  return [...all].filter(([pid]) => pid !== process.pid && isOurs(pid)).map(([, { name }]) => name);
}

/** Every file as its directory and what it is, with everything that looks like an id, a digest or a number left out. */
async function fileKinds(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.map((entry) => {
    const path = `${entry.parentPath}/${entry.name}`.replaceAll(/[0-9a-f]{8,}|\d+/g, '*');
    return `files ${path}`;
  });
}

async function descriptors(pid: number): Promise<string[]> {
  const numbers = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    numbers.map((number) => readlink(`/proc/${pid}/fd/${number}`).catch(() => '')),
  );
  return targets
    .filter((target) => target !== '')
    .map((target) => target.replaceAll(/[0-9a-f]{8,}|\d+/g, '*'));
}
