import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilityMask } from './capability-mask.ts';
import { resourcesMessage } from './container-message.ts';
import { rlimitMessage } from './rlimit-message.ts';
import { layerDisks } from './start-container.ts';
import { tmpfsFlagsAndOptions } from './tmpfs-mount.ts';

test('capabilities are their kernel numbers', () => {
  assert.equal(capabilityMask([]), 0n);
  assert.equal(capabilityMask(['CHOWN', 'SYS_ADMIN', 'CHECKPOINT_RESTORE']), 1n | (1n << 21n) | (1n << 40n));
  assert.throws(() => capabilityMask(['CAP_CHOWN']), { code: 'invalid_argument', message: /CAP_CHOWN/ });
});

test('resource limits: -1 is infinity, unknown ones are named', () => {
  assert.deepEqual(rlimitMessage({ resource: 'nofile', soft: 1024, hard: -1 }), {
    resource: 7,
    soft: 1024n,
    hard: 2n ** 64n - 1n,
  });
  assert.throws(() => rlimitMessage({ resource: 'toString', soft: 0, hard: 0 }), {
    code: 'invalid_argument',
  });
  assert.throws(() => rlimitMessage({ resource: 'nofile', soft: -2, hard: 0 }), { code: 'invalid_argument' });
});

test("tmpfs options: Docker's defaults, what clears them, and what is no option", () => {
  const mount = (...options: string[]) => tmpfsFlagsAndOptions({ type: 'tmpfs', target: '/t', options });
  assert.deepEqual(mount(), { flags: 14n, options: '' });
  assert.deepEqual(mount('exec', 'suid', 'dev', 'ro'), { flags: 1n, options: '' });
  assert.deepEqual(mount('size=64m', 'mode=1777', 'uid=5'), {
    flags: 14n,
    options: 'size=64m,mode=1777,uid=5',
  });
  for (const bad of ['huge=always', 'size=64m/../x', 'size', 'mode=999', 'constructor', '']) {
    assert.throws(() => mount(bad), { code: 'invalid_argument' }, bad);
  }
});

test('limits: swap is what memory+swap leaves, shares become a weight', () => {
  const none = resourcesMessage({});
  assert.deepEqual(none, {
    memoryMax: 0n,
    memoryLow: 0n,
    swapMax: -1n,
    cpuQuotaUs: -1n,
    cpuPeriodUs: 0n,
    cpuWeight: 0,
    pidsMax: 0n,
  });
  assert.equal(resourcesMessage({ memoryMaxBytes: 100 }).swapMax, 100n);
  assert.equal(resourcesMessage({ memoryMaxBytes: 100, memorySwapBytes: 150 }).swapMax, 50n);
  assert.equal(resourcesMessage({ memoryMaxBytes: 100, memorySwapBytes: 100 }).swapMax, 0n);
  assert.equal(resourcesMessage({ memoryMaxBytes: 100, memorySwapBytes: -1 }).swapMax, -1n);
  assert.equal(resourcesMessage({ cpuShares: 1024 }).cpuWeight, 39);
  assert.equal(resourcesMessage({ cpuShares: 2 }).cpuWeight, 1);
  assert.equal(resourcesMessage({ cpuShares: 1_000_000 }).cpuWeight, 10_000);
});

test('layers go top first, a repeated one where it is on top, and only by a whole digest', () => {
  const layer = (digit: string) => ({ digest: `sha256:${digit.repeat(64)}`, path: `/${digit}` });
  const paths = layerDisks(['a', 'b', 'a', 'c'].map(layer)).map(({ path }) => path);
  assert.deepEqual(paths, ['/c', '/a', '/b']);
  assert.throws(() => layerDisks([{ digest: 'sha256:../..', path: '/x' }]), { code: 'invalid_argument' });
});
