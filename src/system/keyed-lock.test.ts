import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedLock } from './keyed-lock.ts';

test('one at a time per key, in the order they came; other keys do not wait', async () => {
  const lock = new KeyedLock();
  const order: string[] = [];
  const gate = Promise.withResolvers<undefined>();
  const first = lock.run('a', async () => {
    await gate.promise;
    order.push('first');
  });
  const second = lock.run('a', () => order.push('second'));
  const third = lock.run('a', () => order.push('third'));
  await lock.run('b', () => order.push('other'));
  gate.resolve(undefined);
  await Promise.all([first, second, third]);
  assert.deepEqual(order, ['other', 'first', 'second', 'third']);
  assert.equal(lock.isHeld('a'), false);
});

test('a waiter that gives up leaves the queue, the next one is served', async () => {
  const lock = new KeyedLock();
  const held = await lock.acquire('a');
  const controller = new AbortController();
  const impatient = lock.acquire('a', controller.signal);
  const patient = lock.acquire('a');
  controller.abort(new Error('no time'));
  await assert.rejects(impatient, /no time/);
  held[Symbol.dispose]();
  held[Symbol.dispose](); // twice is once
  const last = await patient;
  assert.equal(lock.isHeld('a'), true);
  last[Symbol.dispose]();
  assert.equal(lock.isHeld('a'), false);
});

test('work that fails lets the next one in', async () => {
  const lock = new KeyedLock();
  await assert.rejects(
    lock.run('a', () => Promise.reject(new Error('failed'))),
    /failed/,
  );
  assert.equal(await lock.run('a', () => 42), 42);
});

test('an aborted signal never takes the lock', async () => {
  const lock = new KeyedLock();
  await assert.rejects(lock.acquire('a', AbortSignal.abort(new Error('too late'))), /too late/);
  assert.equal(lock.isHeld('a'), false);
});
