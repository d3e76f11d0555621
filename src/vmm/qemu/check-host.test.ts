import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { checkHost } from './check-host.ts';

const directories = { dataDirectory: tmpdir(), stateDirectory: tmpdir() };

test('every check says what it found, and what to do unless all is well', async () => {
  const kvm = { status: 'no-device', explanation: 'there is no /dev/kvm' } as const;
  const checks = await checkHost({ kvm, ...directories }, AbortSignal.timeout(30_000));
  const names = checks.map((check) => check.name);
  assert.deepEqual(names, [...new Set(names)]);
  for (const check of checks) {
    assert.ok(check.found, check.name);
    if (check.status === 'ok') assert.equal(check.advice, '', check.name);
  }
  const found = checks.find((check) => check.name === 'kvm');
  assert.equal(found?.status, 'warning');
  assert.match(found.advice, /kvm_intel/);
});

test('a check that cannot be made is an error of that check alone', async () => {
  const kvm = { status: 'works', explanation: 'KVM works' } as const;
  const options = { kvm, ...directories, dataDirectory: '/no/such/directory' };
  const checks = await checkHost(options, AbortSignal.timeout(30_000));
  const byName = new Map(checks.map((check) => [check.name, check]));
  assert.equal(byName.get('data directory')?.status, 'error');
  assert.match(byName.get('data directory')?.found ?? '', /ENOENT/);
  assert.equal(byName.get('kvm')?.status, 'ok');
});
