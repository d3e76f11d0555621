/** A machine's life: booted, paused, ended in every way; and what is said when it does not come to life. */
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { EngineError } from '../../src/errors/engine-error.ts';
import { isSameProcessAlive, readProcessStat } from '../../src/system/process-identity.ts';
import { connect, VmmHost, whyNot } from './vmm-host.ts';

const skip = await whyNot();
const failsWith = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EngineError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

test('boot, talk, read the console, kill twice', { skip }, async () => {
  const signal = AbortSignal.timeout(60_000);
  await using host = await VmmHost.open();
  await using machine = await host.vmm.boot(host.spec(), signal);
  const guest = await connect(machine, signal);
  assert.equal(await guest.answer(), 'ready');
  assert.match(await guest.ask('cat /proc/cmdline'), /console=hvc0/);
  assert.match(await machine.console(), /the guest is up/);
  guest.hangUp();
  const again = await connect(machine, signal);
  assert.match(await again.ask('cat /proc/version'), /^Linux version/);
  again.hangUp();
  await machine.kill();
  await machine.kill();
  assert.equal((await machine.exited).signal, 'SIGKILL');
});

test('a guest that floods its console costs no more than the ring', { skip }, async () => {
  const signal = AbortSignal.timeout(60_000);
  await using host = await VmmHost.open();
  await using machine = await host.vmm.boot(host.spec(), signal);
  const guest = await connect(machine, signal);
  await guest.answer();
  await guest.ask('console 1000');
  const console = await machine.console();
  assert.ok(console.length <= 64 << 10, `${console.length} bytes kept`);
  assert.match(console, /the end\s*$/);
  guest.hangUp();
});

test('power-off and panic are noticed, with the guest’s last words', { skip }, async () => {
  const signal = AbortSignal.timeout(60_000);
  await using host = await VmmHost.open();
  for (const [command, words] of [
    ['off', /powering off/],
    ['panic', /Attempted to kill init/],
  ] as const) {
    await using machine = await host.vmm.boot(host.spec(), signal);
    const guest = await connect(machine, signal);
    await guest.answer();
    guest.tell(command);
    const exit = await machine.exited;
    assert.equal(exit.code, 0, JSON.stringify(exit));
    assert.match(exit.lastWords, words);
    guest.hangUp();
  }
});

test('a VMM that is killed is noticed at once', { skip }, async () => {
  const signal = AbortSignal.timeout(60_000);
  await using host = await VmmHost.open();
  await using machine = await host.vmm.boot(host.spec(), signal);
  const start = performance.now();
  process.kill(machine.pid, 'SIGKILL');
  assert.equal((await machine.exited).signal, 'SIGKILL');
  assert.ok(performance.now() - start < 1000);
  await assert.rejects(machine.pause(signal), failsWith('unavailable', /closed its control socket/));
});

test('paused, it takes no time; resumed, it answers', { skip }, async () => {
  const signal = AbortSignal.timeout(60_000);
  await using host = await VmmHost.open();
  await using machine = await host.vmm.boot(host.spec(), signal);
  const guest = await connect(machine, signal);
  await guest.answer();
  await machine.pause(signal);
  const answer = guest.ask('random');
  assert.equal(await Promise.race([answer, delay(200, 'nothing')]), 'nothing');
  await machine.resume(signal);
  assert.match(await answer, /^[0-9a-f]{32}$/);
  guest.hangUp();
});

test(
  'a VMM that is missing, ends at once, or hangs: said clearly, and nothing is left',
  { skip },
  async () => {
    const signal = AbortSignal.timeout(60_000);
    await using host = await VmmHost.open();
    const write = async (name: string, script: string) => {
      const path = join(host.directory, name);
      const version = '[ "$1" = --version ] && echo "QEMU emulator version 10.0.2" && exit 0';
      await writeFile(path, `#!/bin/sh\n${version}\n${script}\n`);
      await chmod(path, 0o755);
      return path;
    };
    const crashing = await write('crash', 'echo "no such accelerator" >&2; exit 3');
    const hanging = await write('hang', 'echo "thinking" >&2; exec /bin/sleep 60');
    {
      await using broken = await VmmHost.open({ program: crashing });
      const launch = broken.vmm.boot(broken.spec(), signal);
      await assert.rejects(launch, failsWith('unavailable', /exit code 3; it said: no such accelerator/));
    }
    {
      await using broken = await VmmHost.open({ program: hanging, launchTimeoutMs: 300 });
      const launch = broken.vmm.boot(broken.spec(), signal);
      await assert.rejects(launch, failsWith('deadline_exceeded', /waited 300 ms .*thinking/));
    }
    {
      const missing = await write('missing', '');
      await using broken = await VmmHost.open({ program: missing });
      await chmod(missing, 0o000);
      await writeFile(missing, '').catch(() => undefined);
      const { rm } = await import('node:fs/promises');
      await rm(missing);
      await assert.rejects(
        broken.vmm.boot(broken.spec(), signal),
        failsWith('not_found', /install qemu-system-x86/),
      );
    }
    const shape = { ...host.shape, initramfsPath: '/no/such/initramfs' };
    await assert.rejects(
      host.vmm.boot({ ...host.spec(), shape }, signal),
      failsWith('unavailable', /no\/such\/initramfs/),
    );
  },
);

test('a launch that is given up, or whose id is taken, leaves nothing', { skip }, async () => {
  const signal = AbortSignal.timeout(60_000);
  await using host = await VmmHost.open();
  const controller = new AbortController();
  const launch = host.vmm.boot(host.spec(), controller.signal);
  setTimeout(() => controller.abort(new Error('never mind')), 20);
  await assert.rejects(launch, /never mind/);
  await assert.rejects(host.vmm.boot(host.spec(), AbortSignal.abort(new Error('too late'))), /too late/);

  const spec = host.spec();
  await using machine = await host.vmm.boot(spec, signal);
  await assert.rejects(host.vmm.boot(spec, signal), failsWith('already_exists', /is there already/));
  await assert.rejects(
    host.vmm.boot({ ...spec, id: '../../etc' }, signal),
    failsWith('invalid_argument', /no machine id/),
  );
  const stat = readProcessStat(machine.pid);
  assert.ok(stat && isSameProcessAlive(stat), 'the first one still runs');
});
