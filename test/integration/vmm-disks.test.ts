/** Disks: behind prepared slots, hot-added beyond them, taken out, used again. */
import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { EngineError } from '../../src/errors/engine-error.ts';
import { connect, VmmHost, whyNot } from './vmm-host.ts';

const skip = await whyNot();

test('files appear in the guest under the serial that attaching tells', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  const template = await host.makeTemplate(signal);
  await using machine = await host.vmm.clone(template, host.spec(), signal);
  const guest = await connect(machine, signal);
  const file = async (name: string) => {
    const path = join(host.directory, name);
    await writeFile(path, `content of ${name}\n`.padEnd(64 << 10, '.'));
    return path;
  };

  const serials = new Map<string, string>();
  for (let n = 0; n < 20; n++) {
    const name = `layer${n}`;
    serials.set(
      name,
      await machine.attachDisk({ serial: name, path: await file(name), readonly: true }, signal),
    );
  }
  assert.equal(serials.get('layer0'), 'ro00');
  assert.equal(serials.get('layer15'), 'ro15');
  assert.equal(serials.get('layer16'), 'layer16', 'hot-added under its own serial when the slots are taken');
  for (const [name, serial] of serials) assert.equal(await guest.ask(`disk ${serial}`), `content of ${name}`);

  const upper = await file('upper');
  const writable = await machine.attachDisk({ serial: 'upper', path: upper, readonly: false }, signal);
  assert.equal(await guest.ask(`write ${writable} from the guest`), 'written');
  assert.match(await readFile(upper, 'utf8'), /^from the guest\n/);
  assert.notEqual(await guest.ask('write ro00 overwritten'), 'written');
  assert.match(await readFile(join(host.directory, 'layer0'), 'utf8'), /^content of layer0\n/);

  await machine.detachDisk('ro03', signal);
  const other = await machine.attachDisk(
    { serial: 'other', path: await file('other'), readonly: true },
    signal,
  );
  assert.equal(other, 'ro03', 'a slot is used again');
  assert.equal(await guest.ask('disk ro03'), 'content of other');

  assert.equal(await guest.ask('drop layer17'), 'dropped');
  await machine.detachDisk('layer17', signal);
  const again = await machine.attachDisk(
    { serial: 'again', path: await file('again'), readonly: true },
    signal,
  );
  assert.equal(await guest.ask(`disk ${again}`), 'content of again');
  guest.hangUp();
});

test('what is no disk is refused, and the slot stays free', { skip }, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using host = await VmmHost.open();
  await using machine = await host.vmm.boot(host.spec(), signal);
  const link = join(host.directory, 'link');
  await symlink('/etc/passwd', link);
  const directory = join(host.directory, 'directory');
  await mkdir(directory);
  const attach = (path: string, serial = 'bad') =>
    machine.attachDisk({ serial, path, readonly: true }, signal);
  const code = (expected: string) => (error: unknown) =>
    error instanceof EngineError && error.code === expected;
  await assert.rejects(attach('/no/such/file'), code('not_found'));
  await assert.rejects(attach(directory), code('invalid_argument'));
  await assert.rejects(attach('/dev/null'), code('invalid_argument'));
  await assert.rejects(attach(link), (error) => error instanceof EngineError);
  await assert.rejects(attach('/etc/passwd', 'a serial with blanks'), code('invalid_argument'));
  await assert.rejects(machine.detachDisk('ro00', signal), code('not_found'));
  const good = join(host.directory, 'good');
  await writeFile(good, 'good\n'.padEnd(4096));
  assert.equal(await attach(good), 'ro00');
});
