/** The VMM's cage, proven from inside its own /proc entry. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, readdir, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cgroup } from '../../src/system/cgroup.ts';
import { connect, VmmHost, whyNot } from './vmm-host.ts';

const skip = await whyNot();

test('a running clone’s VMM has nothing but its own', { skip }, async (t) => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  process.env['DVM_TEST_SECRET'] = 'not for the VMM';
  const template = await host.makeTemplate(signal);
  const spec = host.spec();
  await using machine = await host.vmm.clone(template, spec, signal);
  delete process.env['DVM_TEST_SECRET'];
  const guest = await connect(machine, signal);
  const layer = join(host.directory, 'layer');
  const upper = join(host.directory, 'upper');
  for (const path of [layer, upper]) await writeFile(path, 'content\n'.padEnd(8192));
  await guest.ask(
    `disk ${await machine.attachDisk({ serial: 'layer', path: layer, readonly: true }, signal)}`,
  );
  await guest.ask(
    `disk ${await machine.attachDisk({ serial: 'upper', path: upper, readonly: false }, signal)}`,
  );

  const proc = join('/proc', String(machine.pid));
  const status = new Map<string, string>();
  for (const line of (await readFile(join(proc, 'status'), 'utf8')).split('\n')) {
    const [name, ...rest] = line.split(':');
    status.set(name ?? '', rest.join(':').trim());
  }

  await t.test('an unprivileged user and group of its own', () => {
    const four = (id: number) => Array.from({ length: 4 }, () => id).join('\t');
    assert.equal(status.get('Uid'), four(spec.limits.uid));
    assert.equal(status.get('Gid'), four(spec.limits.gid));
    assert.ok(['', String(spec.limits.gid)].includes(status.get('Groups') ?? ''), status.get('Groups') ?? '');
  });

  await t.test('no capabilities, and no way to get any', () => {
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      assert.match(status.get(set) ?? '', /^0+$/, set);
    assert.equal(status.get('NoNewPrivs'), '1');
  });

  await t.test('system calls are filtered, in every thread', async () => {
    assert.equal(status.get('Seccomp'), '2');
    for (const thread of await readdir(join(proc, 'task'))) {
      const text = await readFile(join(proc, 'task', thread, 'status'), 'utf8');
      assert.match(text, /^Seccomp:\t2$/m, thread);
      assert.match(text, new RegExp(`^Uid:\t${spec.limits.uid}\t`, 'm'), thread);
    }
  });

  await t.test('an empty root', async () => {
    assert.deepEqual(await readdir(join(proc, 'root')), []);
    assert.deepEqual(await readdir(join(proc, 'cwd')), []);
  });

  await t.test('namespaces of its own', async () => {
    for (const name of ['mnt', 'net', 'ipc', 'uts', 'pid', 'cgroup']) {
      const [theirs, ours] = await Promise.all([
        readlink(join(proc, 'ns', name)),
        readlink(join('/proc/self/ns', name)),
      ]);
      assert.notEqual(theirs, ours, name);
    }
    assert.equal(status.get('NSpid')?.split('\t')[1], '1', 'the first process of its PID namespace');
    const interfaces = (await readFile(join(proc, 'net/dev'), 'utf8')).split('\n').slice(2).filter(Boolean);
    assert.deepEqual(
      interfaces.map((line) => line.split(':')[0]?.trim()),
      ['lo'],
    );
  });

  await t.test('a control group with its limits', async () => {
    const group = new Cgroup(host.cgroups, spec.id);
    assert.deepEqual(await group.processes(), [machine.pid]);
    const { memory, pids } = host.cgroups.directories;
    assert.ok(memory !== undefined && pids !== undefined);
    const memoryFile = host.cgroups.version === 2 ? 'memory.max' : 'memory.limit_in_bytes';
    assert.equal(
      Number(await readFile(join(memory, spec.id, memoryFile), 'utf8')),
      spec.limits.memoryMaxBytes,
    );
    assert.equal(Number(await readFile(join(pids, spec.id, 'pids.max'), 'utf8')), spec.limits.pidsMax);
  });

  await t.test('a session of its own, without a terminal', async () => {
    const [, after] = (await readFile(join(proc, 'stat'), 'utf8')).split(') ');
    const [, , , session, terminal] = after?.split(' ') ?? [];
    assert.equal(session, String(machine.pid));
    assert.equal(terminal, '0');
  });

  await t.test('no environment', async () => {
    assert.equal(await readFile(join(proc, 'environ'), 'utf8'), '');
  });

  await t.test('no core dumps, few descriptors', async () => {
    const limits = await readFile(join(proc, 'limits'), 'utf8');
    assert.match(limits, /^Max core file size +0 +0 /m);
    assert.match(limits, /^Max open files +512 +512 /m);
  });

  await t.test('no files but its own: sockets, state, memory, disks', async () => {
    const ownMemory = '/memfd:dvm-memory (deleted)';
    const targets: string[] = [];
    for (const fd of await readdir(join(proc, 'fd'))) targets.push(await readlink(join(proc, 'fd', fd)));
    const files = targets.filter(
      (target) => target.startsWith('/') && target !== '/dev/null' && target !== ownMemory,
    );
    const memory = join(template.directory, 'memory');
    const state = join(template.directory, 'state');
    assert.deepEqual(files.filter((file) => ![memory, state].includes(file)).sort(), [layer, upper].sort());
    assert.deepEqual(
      targets.filter((target) => !target.startsWith('/') && !/^(socket|pipe|anon_inode):/.test(target)),
      [],
    );
    for (const fd of await readdir(join(proc, 'fd'))) {
      const target = await readlink(join(proc, 'fd', fd));
      if (![memory, state, layer].includes(target)) continue;
      const flags = /^flags:\t(\d+)$/m.exec(await readFile(join(proc, 'fdinfo', fd), 'utf8'))?.[1];
      assert.equal(parseInt(flags ?? '', 8) & 3, 0, `${target} is open for reading only`);
    }
  });

  await t.test('the template’s memory is mapped privately', async () => {
    const maps = (await readFile(join(proc, 'maps'), 'utf8'))
      .split('\n')
      .filter((line) => line.endsWith('/memory'));
    assert.ok(maps.length > 0);
    for (const line of maps) assert.match(line, /^[0-9a-f-]+ r[w-]-p /);
  });

  await t.test('no process besides it', async () => {
    const children = await readFile(join(proc, 'task', String(machine.pid), 'children'), 'utf8').catch(
      () => '',
    );
    assert.equal(children.trim(), '');
    assert.equal(existsSync(join(proc, 'root/proc')), false);
  });
  guest.hangUp();
});
