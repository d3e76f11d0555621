import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarise } from './statistics.ts';

test('percentiles are values of the sample, by the nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual(summarise(values), { count: 100, min: 1, p50: 50, p95: 95, p99: 99, max: 100 });
  assert.deepEqual(summarise([7]), { count: 1, min: 7, p50: 7, p95: 7, p99: 7, max: 7 });
  assert.throws(() => summarise([]), /nothing was measured/);
});
