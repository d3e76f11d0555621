import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cgroup, findCgroupParent, listCgroups } from './cgroup.ts';

test('version 1: below our own groups, each controller where it is mounted', () => {
  const mounts = [
    '30 24 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
    '31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
    '32 24 0:28 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids',
    '33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
  ].join('\n');
  const own = '4:memory:/a/b\n3:cpu,cpuacct:/\n2:pids:/docker/abc/d\n0::/\n';
  assert.deepEqual(findCgroupParent('dvm', mounts, own), {
    version: 1,
    directories: {
      memory: '/sys/fs/cgroup/memory/a/b/dvm',
      pids: '/sys/fs/cgroup/pids/d/dvm',
      cpu: '/sys/fs/cgroup/cpu,cpuacct/dvm',
    },
  });
});

test('version 2: one group at the root', () => {
  const parent = findCgroupParent(
    'dvm',
    '35 24 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw',
    '0::/user.slice\n',
  );
  assert.equal(parent?.version, 2);
  assert.equal(parent.directories.memory, '/sys/fs/cgroup/dvm');
  assert.equal(findCgroupParent('dvm', '', ''), undefined);
});

const here = process.getuid?.() === 0 ? findCgroupParent(`dvm-test-${process.pid}`) : undefined;

test(
  'a group limits its processes and goes away',
  { skip: here === undefined && 'needs root and cgroups' },
  async () => {
    assert.ok(here);
    const group = new Cgroup(here, 'one');
    await group.create({ memoryMaxBytes: 64 << 20, pidsMax: 7, cpuQuotaUs: 50_000 });
    assert.deepEqual(await listCgroups(here), ['one']);
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    assert.ok(child.pid);
    await group.add(child.pid);
    assert.deepEqual(await group.processes(), [child.pid]);
    const limit = join(
      here.directories.memory ?? '',
      'one',
      here.version === 2 ? 'memory.max' : 'memory.limit_in_bytes',
    );
    assert.equal(readFileSync(limit, 'utf8').trim(), String(64 << 20));
    child.kill('SIGKILL');
    await once(child, 'exit');
    await group.remove();
    await group.remove();
    assert.deepEqual(await listCgroups(here), []);
    for (const directory of Object.values(here.directories))
      assert.equal(existsSync(directory), false, directory);
  },
);

test(
  'groups come and go at the same time',
  { skip: here === undefined && 'needs root and cgroups' },
  async () => {
    assert.ok(here);
    const parent = here;
    const rounds = Array.from({ length: 40 }, async (_, index) => {
      const group = new Cgroup(parent, `group${index}`);
      await group.create({ memoryMaxBytes: 64 << 20, pidsMax: 7 });
      await group.remove();
    });
    await Promise.all(rounds);
    assert.deepEqual(await listCgroups(parent), []);
  },
);
