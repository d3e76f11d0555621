import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine } from './command-line.ts';
import type { MachineStart } from './command-line.ts';
import { diskSlots } from './machine-layout.ts';

const context = { accelerator: 'tcg', tscKhz: 2_100_000, emptyRoot: '/run/d,vm/empty' } as const;
const shape = {
  vcpus: 2,
  memoryBytes: 512 << 20,
  kernel: { path: '/k,ernel', kind: 'trimmed', release: '6.12', hash: 'h' },
  initramfsPath: '/initramfs',
} as const;
const machine = { id: 'abcdefgh', shape, uid: 1234, gid: 5678 };
const memoryPath = '/templates/a,b/memory';

/** The values of an option, in order. */
function valuesOf(args: readonly string[], option: string): readonly string[] {
  return args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ''] : []));
}

const argsFor = (start: MachineStart) => commandLine(context, machine, start);

test('the cage is on every command line', () => {
  const starts: readonly MachineStart[] = [
    { kind: 'boot' },
    { kind: 'templateSource', memoryPath },
    { kind: 'clone', memoryPath, statePath: '/templates/a,b/state' },
  ];
  for (const start of starts) {
    const args = argsFor(start);
    assert.deepEqual(valuesOf(args, '-run-with'), ['chroot=/run/d,,vm/empty,user=1234:5678']);
    assert.match(valuesOf(args, '-sandbox')[0] ?? '', /^on,obsolete=deny,.*spawn=deny,resourcecontrol=deny$/);
    assert.ok(args.includes('-nodefaults') && args.includes('-no-user-config'));
    assert.equal(
      valuesOf(args, '-device').filter((device) => device.includes('scsi-hd')).length,
      diskSlots.length,
    );
  }
});

test('a clone maps what it shares read-only and privately, and starts by itself', () => {
  const args = argsFor({ kind: 'clone', memoryPath, statePath: '/state' });
  const backends = valuesOf(args, '-object')
    .map((text) => JSON.parse(text) as Record<string, unknown>)
    .filter((object) => object['qom-type'] === 'memory-backend-file');
  assert.equal(
    backends.reduce((sum, backend) => sum + Number(backend['size']), 0),
    shape.memoryBytes,
  );
  for (const backend of backends) {
    if (backend['mem-path'] === memoryPath) {
      assert.deepEqual([backend['share'], backend['readonly'], backend['rom']], [false, true, 'off']);
    } else {
      assert.equal(backend['mem-path'], '/proc/self/fd/6');
    }
  }
  assert.equal(args.includes('-S'), false);
  assert.equal(args.includes('-kernel'), false);
});

test('a machine that boots waits until it is told', () => {
  const args = argsFor({ kind: 'boot' });
  assert.ok(args.includes('-S'));
  assert.deepEqual(valuesOf(args, '-kernel'), ['/k,ernel']);
  assert.match(valuesOf(args, '-append')[0] ?? '', /tsc_early_khz=2100000/);
});

test('with KVM nothing is said of the time stamp counter', () => {
  const args = commandLine({ ...context, accelerator: 'kvm', tscKhz: undefined }, machine, { kind: 'boot' });
  assert.deepEqual(valuesOf(args, '-accel'), ['kvm']);
  assert.doesNotMatch(valuesOf(args, '-append')[0] ?? '', /tsc|mitigations/);
});
