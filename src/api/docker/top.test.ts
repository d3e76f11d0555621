import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toTop } from './top.ts';

const now = new Date('2024-05-01T12:00:00Z');
const processes = [
  {
    pid: 7,
    ppid: 1,
    uid: 33,
    user: 'www-data',
    state: 'Ss',
    startedAt: new Date('2024-05-01T11:00:00Z'),
    cpuNs: 36_000_000_000n,
    rssBytes: 2_097_152n,
    tty: '',
    command: '/usr/sbin/nginx -g daemon',
  },
];

test('-ef, the default', () => {
  assert.deepEqual(toTop(processes, '-ef', now), {
    Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'],
    Processes: [['www-data', '7', '1', '1', '11:00', '?', '00:00:36', '/usr/sbin/nginx -g daemon']],
  });
});

test('aux', () => {
  assert.deepEqual(toTop(processes, 'aux', now).Processes, [
    ['www-data', '7', '1.0', '2048', '?', 'Ss', '11:00', '00:00:36', '/usr/sbin/nginx -g daemon'],
  ]);
});

test('columns of the user’s own', () => {
  assert.deepEqual(toTop(processes, '-o pid,comm,etime', now), {
    Titles: ['PID', 'COMMAND', 'ELAPSED'],
    Processes: [['7', 'nginx', '01:00:00']],
  });
  assert.deepEqual(toTop(processes, '-eo pid=ID,user', now).Titles, ['ID', 'USER']);
});

test('what it cannot show is refused by name', () => {
  assert.throws(() => toTop(processes, '-o pid,vsz', now), { message: /"vsz"/ });
  assert.throws(() => toTop(processes, '--forest', now), { message: /--forest/ });
});
