import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultMachineSize, machineSizeFor } from './machine-size.ts';
import type { HostSize } from './machine-size.ts';

const mib = 2 ** 20;
const gib = 2 ** 30;
const host: HostSize = { memoryBytes: 24 * gib, cpus: 8, accelerator: 'kvm' };

test('the default is generous and fits the host', () => {
  assert.deepEqual(defaultMachineSize(host), { memoryBytes: 4 * gib, vcpus: 4 });
  assert.deepEqual(defaultMachineSize({ memoryBytes: 8 * gib, cpus: 2, accelerator: 'tcg' }), {
    memoryBytes: 2 * gib,
    vcpus: 1,
  });
  assert.equal(defaultMachineSize({ memoryBytes: gib, cpus: 1, accelerator: 'kvm' }).memoryBytes, 512 * mib);
});

test('what fits the default gets the default, more gets the next step with room for the guest', () => {
  const defaults = { memoryBytes: 2 * gib, vcpus: 2 };
  const memory = (memoryBytes: number) => machineSizeFor({ memoryBytes }, defaults, host).memoryBytes;
  assert.deepEqual(machineSizeFor({}, defaults, host), defaults);
  assert.equal(memory(6 * mib), 2 * gib);
  assert.equal(memory(1900 * mib), 2 * gib);
  assert.equal(memory(2 * gib), 3 * gib);
  assert.equal(memory(3 * gib), 4 * gib);
  assert.equal(memory(4 * gib), 6 * gib);
  for (const bytes of [5, 7, 9, 11, 17].map((n) => n * gib)) assert.equal(memory(bytes) % (2 * mib), 0);
  assert.equal(machineSizeFor({ vcpus: 1 }, defaults, host).vcpus, 2);
  assert.equal(machineSizeFor({ vcpus: 5 }, defaults, host).vcpus, 5);
});

test('what the host does not have is refused by name', () => {
  const defaults = { memoryBytes: 2 * gib, vcpus: 2 };
  assert.throws(() => machineSizeFor({ memoryBytes: 24 * gib }, defaults, host), {
    code: 'resource_exhausted',
    message: /the host has 24576 MiB/,
  });
  assert.throws(() => machineSizeFor({ vcpus: 9 }, defaults, host), { code: 'invalid_argument' });
  for (const bad of [0, -1, 1.5, NaN]) {
    assert.throws(() => machineSizeFor({ memoryBytes: bad }, defaults, host), { code: 'invalid_argument' });
    assert.throws(() => machineSizeFor({ vcpus: bad }, defaults, host), { code: 'invalid_argument' });
  }
});
