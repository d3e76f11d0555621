import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { identifyProcess, isSameProcessAlive, parseProcessStat, signalProcess } from './process-identity.ts';

test('a process is recognised while it lives and not after', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  assert.ok(child.pid);
  const identity = identifyProcess(child.pid);
  assert.ok(identity);
  assert.equal(isSameProcessAlive(identity), true);
  assert.equal(isSameProcessAlive({ ...identity, startTime: '1' }), false);
  assert.equal(signalProcess({ ...identity, startTime: '1' }, 'SIGKILL'), false);
  assert.equal(signalProcess(identity, 'SIGKILL'), true);
  await once(child, 'exit');
  assert.equal(isSameProcessAlive(identity), false);
});

test('a command name with parentheses and blanks does not confuse the fields', () => {
  const numbers = Array.from({ length: 18 }, (_, index) => String(index + 100)).join(' ');
  const stat = parseProcessStat(`42 (a) b (c\n) S 7 ${numbers} 0`);
  assert.deepEqual(stat, { pid: 42, command: 'a) b (c\n', state: 'S', parentPid: 7, startTime: '117' });
  assert.equal(parseProcessStat('42 (a'), undefined);
});
