import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { spawnInNamespaces } from './spawn-in-namespaces.ts';

const all = ['mnt', 'net', 'ipc', 'uts', 'pid', 'cgroup'] as const;
const namespacesOf = (pid: number | 'self') => all.map((name) => readlinkSync(`/proc/${pid}/ns/${name}`));

test(
  'a child has namespaces of its own, we keep ours',
  { skip: process.getuid?.() !== 0 && 'needs root' },
  async () => {
    const before = namespacesOf('self');
    const directory = process.cwd();
    for (let round = 0; round < 3; round++) {
      const child = spawnInNamespaces(all, '/bin/sh', ['-c', 'echo $$; read wait'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      assert.ok(child.pid && child.stdout && child.stdin);
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      assert.equal(said.toString(), '1\n', 'it is the first process of its PID namespace');
      const theirs = namespacesOf(child.pid);
      for (const [index, name] of all.entries()) assert.notEqual(theirs[index], before[index], name);
      child.stdin.end();
      await once(child, 'exit');
      assert.deepEqual(namespacesOf('self'), before);
      assert.equal(process.cwd(), directory);
    }
  },
);
