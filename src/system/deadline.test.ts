import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orAborted, withDeadline } from './deadline.ts';

test('a deadline names what was waited for', async () => {
  using deadline = withDeadline(undefined, 5, 'the moon');
  await assert.rejects(orAborted(new Promise(() => undefined), deadline.signal), /waited 5 ms for the moon/);
});

test('the caller’s signal goes through it', async () => {
  const controller = new AbortController();
  using deadline = withDeadline(controller.signal, 60_000, 'the moon');
  const waiting = orAborted(new Promise(() => undefined), deadline.signal);
  controller.abort(new Error('never mind'));
  await assert.rejects(waiting, /never mind/);
});

test('what is done in time comes through', async () => {
  using deadline = withDeadline(undefined, 60_000, 'the moon');
  assert.equal(await orAborted(Promise.resolve(7), deadline.signal), 7);
});
