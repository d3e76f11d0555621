import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  binarySize,
  ellipsis,
  humanDuration,
  humanSize,
  localRfc3339,
  localTime,
  shortId,
} from './human-units.ts';

const [minute, hour, day] = [60, 3600, 86_400] as const;

test('durations in docker’s words', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, 'Less than a second'],
    [0.9, 'Less than a second'],
    [1, '1 second'],
    [45, '45 seconds'],
    [minute, 'About a minute'],
    [119, 'About a minute'],
    [2 * minute, '2 minutes'],
    [59 * minute + 59, '59 minutes'],
    [hour, 'About an hour'],
    [hour + 29 * minute, 'About an hour'],
    [hour + 30 * minute, '2 hours'],
    [47 * hour, '47 hours'],
    [48 * hour, '2 days'],
    [13 * day, '13 days'],
    [14 * day, '2 weeks'],
    [59 * day, '8 weeks'],
    [60 * day, '2 months'],
    [729 * day, '24 months'],
    [730 * day, '2 years'],
    [10 * 365 * day, '10 years'],
  ];
  for (const [seconds, text] of cases) assert.equal(humanDuration(seconds), text, String(seconds));
});

test('sizes in powers of a thousand and of 1024', () => {
  assert.equal(humanSize(0), '0B');
  assert.equal(humanSize(999), '999B');
  assert.equal(humanSize(1000), '1kB');
  assert.equal(humanSize(1_234_567), '1.235MB');
  assert.equal(humanSize(1_234_567, 3), '1.23MB');
  assert.equal(humanSize(187_654_321, 3), '188MB');
  assert.equal(humanSize(999_900, 3), '1e+03kB'); // as docker rounds it
  assert.equal(humanSize(100_000), '100kB');
  assert.equal(binarySize(1024), '1KiB');
  assert.equal(binarySize(7.5 * 1024 ** 3), '7.5GiB');
  assert.equal(binarySize(1023), '1023B');
});

test('times in the local zone', () => {
  process.env['TZ'] = 'UTC';
  assert.equal(localTime(1_700_000_000), '2023-11-14 22:13:20 +0000 UTC');
  assert.equal(localRfc3339(1_700_000_000), '2023-11-14T22:13:20Z');
  process.env['TZ'] = 'Asia/Kolkata';
  assert.match(localTime(1_700_000_000), /^2023-11-15 03:43:20 \+0530 /);
  assert.equal(localRfc3339(1_700_000_000), '2023-11-15T03:43:20+05:30');
  process.env['TZ'] = 'UTC';
});

test('short forms', () => {
  assert.equal(shortId(`sha256:${'ab'.repeat(32)}`), 'abababababab');
  assert.equal(ellipsis('abc', 3), 'abc');
  assert.equal(ellipsis('äöüß', 3), 'äö…');
});
