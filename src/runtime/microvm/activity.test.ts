import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Activity } from './activity.ts';

test('quiet waits for the last one who is busy', async (t) => {
  const activity = new Activity(0);
  await activity.quiet(t.signal);
  const one = activity.enter();
  const two = activity.enter();
  let quiet = false;
  const waiting = activity.quiet(t.signal).then(() => (quiet = true));
  one[Symbol.dispose]();
  one[Symbol.dispose]();
  await new Promise(setImmediate);
  assert.equal(quiet, false);
  assert.equal(activity.busy, true);
  two[Symbol.dispose]();
  await waiting;
  assert.equal(activity.busy, false);
});

test('who comes again within the time of quiet starts it anew', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const activity = new Activity(1000);
  await activity.during(() => Promise.resolve());
  let quiet = false;
  const waiting = activity.quiet(t.signal).then(() => (quiet = true));
  const again = activity.enter();
  t.mock.timers.tick(2000);
  await Promise.resolve();
  assert.equal(quiet, false);
  again[Symbol.dispose]();
  t.mock.timers.tick(1000);
  await waiting;
});

test('who gives up waiting gets the reason', async () => {
  const activity = new Activity(0);
  activity.enter();
  const abort = new AbortController();
  const waiting = activity.quiet(abort.signal);
  abort.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
});
