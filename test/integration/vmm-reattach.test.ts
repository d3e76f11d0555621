/** What a daemon that was killed leaves: machines that go on, are found again, or are cleared away. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import type { Json } from '../../src/engine/model/json.ts';
import type { MachineSpec, MachineTemplate } from '../../src/engine/ports/vmm.ts';
import { Cgroup } from '../../src/system/cgroup.ts';
import { connectToUnixSocket } from '../../src/system/unix-socket.ts';
import { readProcessStat } from '../../src/system/process-identity.ts';
import { asRecord, QmpClient } from '../../src/vmm/qemu/qmp-client.ts';
import { connect, VmmHost, whyNot } from './vmm-host.ts';

const skip = await whyNot();

interface Left {
  readonly record: Json & { readonly pid: number };
  readonly serials: readonly string[];
}

/** Runs another daemon that launches a machine and is killed. */
function leave(host: VmmHost, template: MachineTemplate, spec: MachineSpec, disk: string): Promise<Left> {
  const order = JSON.stringify({ options: host.options, template, spec, disk });
  const program = join(import.meta.dirname, 'vmm-leave.ts');
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--no-warnings', program, order], (error, stdout, stderr) => {
      if (error?.signal === 'SIGKILL') resolve(JSON.parse(stdout) as Left);
      else reject(new Error(`the other daemon: ${error?.message ?? 'was not killed'} ${stderr}`));
    });
  });
}

test('a machine outlives its daemon and is found again, disks and all', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  const disk = join(host.directory, 'disk');
  await writeFile(disk, 'on the disk\n'.padEnd(8192));
  const spec = host.spec();
  const { record, serials } = await leave(host, template, spec, disk);

  await using machine = await host.vmm.reattach(record, signal);
  assert.ok(machine);
  assert.equal(machine.id, spec.id);
  assert.deepEqual(machine.record, record);
  const guest = await connect(machine, signal);
  assert.equal(await guest.ask('disk ro07'), 'on the disk');
  assert.equal(serials[17], 'disk17');
  assert.equal(await guest.ask('disk disk17'), 'on the disk');
  const taken = machine.attachDisk({ serial: 'disk17', path: disk, readonly: true }, signal);
  await assert.rejects(taken, /plugged in already/);
  await machine.detachDisk('ro07', signal);
  assert.equal(await machine.attachDisk({ serial: 'next', path: disk, readonly: true }, signal), 'ro07');
  await guest.ask('drop disk17');
  await machine.detachDisk('disk17', signal);
  guest.hangUp();

  const start = performance.now();
  process.kill(machine.pid, 'SIGKILL');
  await machine.exited;
  assert.ok(performance.now() - start < 1000, 'its end is noticed though it is not our child');
});

test('a machine that ended meanwhile is cleared away', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  const disk = join(host.directory, 'disk');
  await writeFile(disk, 'x'.padEnd(8192));
  const { record } = await leave(host, template, host.spec(), disk);
  process.kill(record.pid, 'SIGKILL');
  await untilGone(record.pid);
  assert.equal(await host.vmm.reattach(record, signal), undefined);
  await assert.rejects(host.vmm.reattach({ version: 99 }, signal), /not the record/);
});

test('a guest that powered off while no daemon was there is cleared away', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  const disk = join(host.directory, 'disk');
  await writeFile(disk, 'x'.padEnd(8192));
  const spec = host.spec();
  const { record } = await leave(host, template, spec, disk);
  const directory = join(host.options.stateDirectory, 'machines', spec.id);
  const channel = connectToUnixSocket(join(directory, 'channel.sock')).socket;
  channel.write('off\n');
  const qmp = new QmpClient(connectToUnixSocket(join(directory, 'qmp.sock')));
  await qmp.negotiate(signal);
  while (asRecord(await qmp.execute('query-status', {}, signal))?.['status'] !== 'shutdown') await delay(20);
  qmp.close();
  channel.destroy();
  assert.equal(isRunning(record.pid), true, 'QEMU waits for somebody to know');
  assert.equal(await host.vmm.reattach(record, signal), undefined);
});

test('a process that has the pid of a machine that is gone is left alone', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  const disk = join(host.directory, 'disk');
  await writeFile(disk, 'x'.padEnd(8192));
  const { record } = await leave(host, template, host.spec(), disk);
  process.kill(record.pid, 'SIGKILL');
  await untilGone(record.pid);
  const ours = { ...(record as object), pid: process.pid } as Json;
  assert.equal(await host.vmm.reattach(ours, signal), undefined);
});

test('strays are listed and removed, with or without a record', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  const disk = join(host.directory, 'disk');
  await writeFile(disk, 'x'.padEnd(8192));
  const [recorded, unrecorded, known] = [host.spec(), host.spec(), host.spec()];
  const left = await Promise.all(
    [recorded, unrecorded, known].map((spec) => leave(host, template, spec, disk)),
  );
  // Killed before it had written its record and before the process was in its group.
  await rm(join(host.options.stateDirectory, 'machines', unrecorded.id, 'machine.json'));
  const emptyGroup = 'emptygroup0001';
  await new Cgroup(host.cgroups, emptyGroup).create({ memoryMaxBytes: 1 << 30, pidsMax: 10 });
  const emptyDirectory = 'emptydirectory1';
  await mkdir(join(host.options.stateDirectory, 'machines', emptyDirectory));

  const strays = await host.vmm.listStrays(new Set([known.id]));
  assert.deepEqual([...strays].sort(), [recorded.id, unrecorded.id, emptyGroup, emptyDirectory].sort());
  for (const id of strays) await host.vmm.removeStray(id);
  assert.deepEqual(await host.vmm.listStrays(new Set([known.id])), []);
  assert.equal(isRunning(left[0]?.record.pid), false);
  assert.equal(isRunning(left[1]?.record.pid), false);
  assert.equal(isRunning(left[2]?.record.pid), true);
  await host.vmm.removeStray(known.id);
  await host.vmm.removeStray(known.id);
});

function isRunning(pid: number | undefined): boolean {
  const state = pid === undefined ? undefined : readProcessStat(pid)?.state;
  return state !== undefined && state !== 'Z';
}

async function untilGone(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 2));
}
