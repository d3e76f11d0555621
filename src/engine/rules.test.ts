/** The engine's small rules: names, signals, capabilities, environments, options, points in time, status. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCapabilities, resolveCapabilities } from './capabilities.ts';
import { generateName, parseContainerName } from './container-name.ts';
import { allows, lifeCycle } from './container-status.ts';
import { inheritEnvironment, overrideEnvironment } from './environment.ts';
import { networkFiles } from './network-files.ts';
import { parseSignal } from './signals.ts';
import { specOf } from './testing/engine-fixture.ts';
import { parseTimestamp } from './timestamp.ts';
import { checkTmpfs } from './tmpfs-options.ts';

test('signals by name and number', () => {
  const cases: Readonly<Record<string, number>> = {
    SIGKILL: 9,
    kill: 9,
    '9': 9,
    SIGRTMIN: 34,
    'RTMIN+1': 35,
    'SIGRTMAX-2': 62,
    '64': 64,
    winch: 28,
  };
  for (const [name, number] of Object.entries(cases)) assert.equal(parseSignal(name), number, name);
  for (const name of ['', '0', '65', 'SIG', 'SIGRTMIN+40', 'SIGRTMAX+1', '-9', '9x'])
    assert.throws(() => parseSignal(name), { code: 'invalid_argument', message: `Invalid signal: ${name}` });
});

test('capabilities: Docker’s default set, added, dropped, all', () => {
  const of = (capAdd: string[], capDrop: string[], privileged = false) =>
    resolveCapabilities({ capAdd, capDrop, privileged });
  assert.equal(of([], []).length, 14);
  assert.ok(of(['CAP_SYS_PTRACE'], []).includes('SYS_PTRACE'));
  assert.ok(!of([], ['net_raw']).includes('NET_RAW'));
  assert.deepEqual(of(['CHOWN', 'SYS_TIME'], ['ALL']), ['CHOWN', 'SYS_TIME']);
  assert.deepEqual(
    of(['ALL'], ['CAP_SYS_ADMIN']),
    allCapabilities.filter((name) => name !== 'SYS_ADMIN'),
  );
  assert.deepEqual(of([], ['ALL'], true), allCapabilities);
  assert.throws(() => of(['NOPE'], []), { code: 'invalid_argument', message: 'unknown capability: "NOPE"' });
});

test('names that Docker allows, and made-up ones that are free', () => {
  assert.equal(parseContainerName('/a_b.c-1'), 'a_b.c-1');
  for (const name of ['', 'a', '-a', 'a b', 'ä1', 'a/b'])
    assert.throws(() => parseContainerName(name), { code: 'invalid_argument' });
  const taken = new Set<string>();
  for (let count = 0; count < 300; count++) {
    const name = generateName('0123456789abcdef', (text) => taken.has(text));
    assert.equal(parseContainerName(name), name);
    assert.ok(!taken.has(name));
    taken.add(name);
  }
  assert.equal(
    generateName('0123456789abcdef', () => true),
    '0123456789ab',
  );
});

test('environments: overriding and inheriting', () => {
  assert.deepEqual(overrideEnvironment(['A=1', 'B=2', 'C=3'], ['B=x', 'C', 'D=4']), ['A=1', 'B=x', 'D=4']);
  assert.deepEqual(inheritEnvironment(['A'], ['A=1', 'B=2']), ['A', 'B=2']);
});

test('tmpfs options are Docker’s', () => {
  checkTmpfs('/run', ['rw', 'noexec', 'nosuid', 'size=65536k', 'mode=1777', 'uid=1000', 'size=50%']);
  for (const option of ['bind', 'shared', 'size', 'size=big', 'mode=9', 'loop', 'uid=-1'])
    assert.throws(() => checkTmpfs('/run', [option]), { code: 'invalid_argument' }, option);
  for (const target of ['run', '/', ''])
    assert.throws(() => checkTmpfs(target, []), { code: 'invalid_argument' });
});

test('points in time as Docker’s clients write them', () => {
  const now = new Date('2026-01-02T00:00:00Z');
  assert.equal(parseTimestamp('1700000000', now).getTime(), 1_700_000_000_000);
  assert.equal(parseTimestamp('1700000000.5', now).getTime(), 1_700_000_000_500);
  assert.equal(parseTimestamp('1h30m', now).toISOString(), '2026-01-01T22:30:00.000Z');
  assert.equal(parseTimestamp('2026-01-01T00:00:00Z', now).toISOString(), '2026-01-01T00:00:00.000Z');
  for (const text of ['', 'yesterday', '1y', '2026-99-99'])
    assert.throws(() => parseTimestamp(text, now), { code: 'invalid_argument' }, text);
});

test('a container knows its own name', () => {
  const files = networkFiles(specOf({ hostname: 'web', domainname: 'example.org' }), 'nameserver 10.0.0.1\n');
  const content = new Map(files.map((file) => [file.path, Buffer.from(file.content).toString()]));
  assert.equal(content.get('/etc/hostname'), 'web\n');
  assert.match(content.get('/etc/hosts') ?? '', /^127\.0\.0\.1\tlocalhost\n/);
  assert.match(content.get('/etc/hosts') ?? '', /\tweb\.example\.org web\n$/);
  assert.equal(content.get('/etc/resolv.conf'), 'nameserver 10.0.0.1\n');
});

test('the life cycle leads only to where it should', () => {
  const starts = Object.keys(lifeCycle).filter((status) => allows(status as keyof typeof lifeCycle, 'start'));
  assert.deepEqual(starts, ['created', 'restarting', 'exited']);
  assert.ok(!allows('created', 'pause') && !allows('exited', 'pause') && allows('running', 'pause'));
  assert.ok(!allows('running', 'unpause') && allows('paused', 'unpause'));
});
