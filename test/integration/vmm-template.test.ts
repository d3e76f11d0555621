/** Templates and their clones. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from '../../src/errors/engine-error.ts';
import { initramfsFor } from '../../src/daemon/guest/modular-initramfs.ts';
import { buildInitramfs, findStockKernel } from './vmm-guest.ts';
import { connect, VmmHost, whyNot } from './vmm-host.ts';

const skip = await whyNot();
const sha256 = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
const unusable = (message: RegExp) => (error: unknown) =>
  error instanceof EngineError && error.code === 'failed_precondition' && message.test(error.message);

test('clones run from one template, side by side, and change nothing of it', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  const memory = join(template.directory, 'memory');
  for (const name of ['memory', 'state', 'qemu.json']) {
    const { mode, uid } = await stat(join(template.directory, name));
    assert.deepEqual([mode & 0o777, uid], [0o444, 0], name);
  }
  const before = await sha256(memory);
  await using stack = new AsyncDisposableStack();
  const clones = await Promise.all([1, 2, 3].map(() => host.vmm.clone(template, host.spec(), signal)));
  for (const clone of clones) stack.use(clone);
  const guests = await Promise.all(clones.map((clone) => connect(clone, signal)));
  assert.deepEqual(await Promise.all(guests.map((guest) => guest.ask('touch 50'))), [
    'touched',
    'touched',
    'touched',
  ]);
  for (const guest of guests) guest.hangUp();
  assert.equal(await sha256(memory), before);
  assert.equal(new Set(clones.map((clone) => clone.pid)).size, 3);
});

test('a template that is unfinished, changed or of another machine is not cloned', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  const copy = async (name: string) => {
    const directory = join(host.directory, name);
    await mkdir(directory);
    await cp(template.directory, directory, { recursive: true });
    return directory;
  };
  const clone = (directory: string, shape = template.shape) =>
    host.vmm.clone({ directory, shape }, { ...host.spec(), shape }, signal);

  const unfinished = await copy('unfinished');
  await rm(join(unfinished, 'qemu.json'));
  await assert.rejects(clone(unfinished), unusable(/not complete/));
  const changed = await copy('changed');
  const state = join(changed, 'state');
  await chmod(state, 0o644);
  await writeFile(state, Buffer.concat([await readFile(state), Buffer.from('x')]));
  await assert.rejects(clone(changed), unusable(/have changed/));
  const other = { ...template.shape, kernel: { ...template.shape.kernel, hash: 'another' } };
  await assert.rejects(clone(template.directory, other), unusable(/another QEMU, kernel/));
});

test('only a machine that was booted for it becomes a template', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  await using machine = await host.vmm.boot(host.spec(), signal);
  await assert.rejects(machine.saveTemplate(signal), /was not booted to become a template/);
  const directory = join(host.directory, 'occupied');
  await mkdir(directory);
  await writeFile(join(directory, 'memory'), 'somebody’s');
  await assert.rejects(host.vmm.bootTemplateSource(host.spec(), directory, signal), /EEXIST/);
});

test('memory that a clone has freed goes back to the host', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  await using machine = await host.vmm.clone(template, host.spec(), signal);
  const guest = await connect(machine, signal);
  await guest.ask('touch 1');
  const before = residentBytes(machine.pid);
  await guest.ask('touch 140');
  const touched = residentBytes(machine.pid);
  assert.ok(touched - before > 100 << 20, `${touched - before} bytes more when touched`);
  // The guest reports what it has freed after two seconds at the earliest.
  while (residentBytes(machine.pid) - before > (touched - before) / 2) {
    signal.throwIfAborted();
    await delay(100);
  }
  guest.hangUp();
});

const stock = await findStockKernel();

test(
  'the distribution’s kernel boots, becomes a template and is cloned',
  { skip: skip || (stock === undefined && 'no stock kernel') },
  async () => {
    assert.ok(stock);
    const signal = AbortSignal.timeout(120_000);
    await using host = await VmmHost.open();
    const cache = join(host.directory, 'initramfs');
    const initramfsPath = await initramfsFor(
      stock.path,
      stock.release,
      await buildInitramfs(),
      cache,
      signal,
    );
    host.shape = { ...host.shape, memoryBytes: 512 << 20, kernel: stock, initramfsPath };
    const template = await host.makeTemplate(signal);
    await using machine = await host.vmm.clone(template, host.spec(), signal);
    const guest = await connect(machine, signal);
    assert.ok((await guest.ask('cat /proc/version')).includes(stock.release));
    assert.equal(
      await guest.ask('cat /sys/devices/system/clocksource/clocksource0/current_clocksource'),
      'tsc',
    );
    const disk = join(host.directory, 'disk');
    await writeFile(disk, 'seen by the stock kernel\n'.padEnd(8192));
    const serial = await machine.attachDisk({ serial: 'disk', path: disk, readonly: true }, signal);
    assert.equal(await guest.ask(`disk ${serial}`), 'seen by the stock kernel');
    guest.hangUp();
  },
);

function residentBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Rss: +(\d+) kB$/m.exec(rollup)?.[1]) * 1024;
}
