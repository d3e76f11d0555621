import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkKvm, probeAccelerator } from './probe-accelerator.ts';
import { greeting, probeOutputBytes, tscKhzOf } from './probe-guest.ts';
import { isAtLeast, qemuProgram } from './qemu-program.ts';
import { runProbeGuest } from './run-probe-guest.ts';

const signal = AbortSignal.timeout(60_000);
const noQemu = !existsSync(qemuProgram) && 'QEMU is not installed';

test('the probe guest runs in emulation and measures the time stamp counter', { skip: noQemu }, async () => {
  const run = await runProbeGuest(qemuProgram, 'tcg', 30_000, signal);
  assert.equal(run.ran, true, run.account);
  assert.ok(run.tscKhz !== undefined);
  const again = await runProbeGuest(qemuProgram, 'tcg', 30_000, signal);
  assert.ok(again.tscKhz !== undefined);
  const partsPerMillion = (1e6 * Math.abs(run.tscKhz - again.tscKhz)) / run.tscKhz;
  assert.ok(partsPerMillion < 200, `measured ${run.tscKhz} and ${again.tscKhz} kHz`);
});

test('a program that is not QEMU, or is not there, is not taken for a guest that ran', async () => {
  assert.equal((await runProbeGuest('/bin/true', 'tcg', 5000, signal)).ran, false);
  assert.match(
    (await runProbeGuest('/bin/sleep', 'tcg', 5000, signal)).account,
    /did not start and QEMU said/,
  );
  assert.match((await runProbeGuest('/no/such', 'tcg', 5000, signal)).account, /could not be started/);
});

test('a guest that never ends is ended', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-probe-test-'));
  const program = join(directory.path, 'hang');
  await writeFile(
    program,
    '#!/bin/sh\neval out=\\${$(($#-2))#*path=}; printf DVM > "$out"\nexec /bin/sleep 60\n',
  );
  await chmod(program, 0o755);
  const run = await runProbeGuest(program, 'kvm', 200, signal);
  assert.deepEqual([run.ran, run.account], [false, 'the guest started and had not ended after 200 ms']);
});

test('without a device there is no KVM, and emulation is chosen', { skip: noQemu }, async () => {
  assert.equal((await checkKvm('/no/kvm', 2000, signal)).status, 'no-device');
  const probe = await probeAccelerator({ device: '/no/kvm' }, signal);
  assert.equal(probe.accelerator, 'tcg');
  assert.match(probe.explanation, /no \/no\/kvm/);
  assert.ok(probe.tscKhz !== undefined && probe.tscKhz > 100_000);
});

test('output that is short or makes no sense gives no frequency', () => {
  assert.equal(tscKhzOf(Buffer.from(greeting)), undefined);
  assert.equal(
    tscKhzOf(Buffer.concat([Buffer.from(greeting), Buffer.alloc(probeOutputBytes - 3)])),
    undefined,
  );
});

test('versions are compared by number', () => {
  assert.equal(isAtLeast('10.0.2', '8.2.0'), true);
  assert.equal(isAtLeast('8.2.0', '8.2.0'), true);
  assert.equal(isAtLeast('8.1.9', '8.2.0'), false);
});
