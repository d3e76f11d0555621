/** The distribution's own kernel under the agent: its drivers are modules, which the initramfs brings along. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { startGuest } from './guest-fixture.ts';
import { Workspace } from './guest-machine.ts';

const root = join(import.meta.dirname, '../..');
const directory = join(process.env['DVM_CACHE'] ?? '/var/cache/dvm', 'stock-kernel');
const release = existsSync(directory) ? readdirSync(directory).find((name) => /^\d/.test(name)) : undefined;
const skip = release === undefined ? 'no stock kernel in the cache: run scripts/stock-kernel.sh' : false;

it('boots, finds its disks and runs a container with everything it needs', { skip }, async () => {
  const kernel = join(directory, release ?? '');
  using workspace = new Workspace();
  const initramfs = join(workspace.path, 'stock.cpio');
  execFileSync(join(root, 'guest/initramfs/build.sh'), [initramfs, join(kernel, 'modules', release ?? '')]);
  await using guest = await startGuest({ kernel: join(kernel, 'vmlinuz'), initramfs });
  assert.equal(guest.client.hello?.kernelRelease, release);
  await guest.upper('upper');
  const { stdout, code } = await guest.run(
    'hostname; cat /sys/class/net/eth0/address; echo kept > /file; mv /etc /moved; mknod /x b 8 0; cat /x 2>&1 >/dev/null | grep -o "not permitted"',
    {},
    { upper: 'upper' },
  );
  assert.equal(code, 0);
  assert.equal(stdout, 'pod\n02:44:56:4d:00:01\nnot permitted\n');
  assert.equal(
    (await guest.run('cat /file; ls /moved/passwd', {}, { upper: 'upper' })).stdout,
    'kept\n/moved/passwd\n',
  );
  const resources = {
    memoryMax: 32n << 20n,
    memoryLow: 0n,
    swapMax: -1n,
    cpuQuotaUs: 0n,
    cpuPeriodUs: 0n,
    cpuWeight: 0,
    pidsMax: 9n,
  };
  const limited = await guest.start(['dd', 'if=/dev/zero', 'of=/dev/shm/x', 'bs=1M'], {}, { resources });
  assert.equal((await guest.client.drained(limited.process)).exit?.oomKilled, true);
});
