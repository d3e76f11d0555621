import assert from 'node:assert/strict';
import { test } from 'node:test';
import { minorVersionOf, withoutVersion } from './api-version.ts';
import { booleanFilter, filters, parseBoolean, timestampNs } from './query.ts';
import { parseRegistryAuth } from './registry-auth.ts';
import { parseUntil } from './routes/images.ts';
import { humanDuration, toRfc3339Nano } from './time.ts';

test('booleans as Docker reads them', () => {
  for (const no of ['', '0', 'no', 'False', ' none ']) assert.equal(parseBoolean(no), false);
  for (const yes of ['1', 'true', 'T', 'yes', 'x']) assert.equal(parseBoolean(yes), true);
});

test('times with nanoseconds', () => {
  assert.equal(timestampNs.parse('1700000000.000000001'), 1_700_000_000_000_000_001n);
  assert.equal(timestampNs.parse('1700000000.5'), 1_700_000_000_500_000_000n);
  assert.equal(timestampNs.parse('2023-11-14T22:13:20Z'), 1_700_000_000_000_000_000n);
  assert.equal(timestampNs.parse('0'), undefined);
  assert.throws(() => timestampNs.parse('yesterday'));
  assert.equal(toRfc3339Nano(1_700_000_000_000_000_001n), '2023-11-14T22:13:20.000000001Z');
});

test('filters in both of their shapes; unknown ones by name', () => {
  const schema = filters(['label', 'status']);
  assert.deepEqual(schema.parse('{"label":["a=b"]}'), { label: ['a=b'] });
  assert.deepEqual(schema.parse('{"label":{"a=b":true,"c":false}}'), { label: ['a=b'] });
  assert.throws(() => schema.parse('{"nonsense":["x"]}'), { message: "invalid filter 'nonsense'" });
  assert.throws(() => schema.parse('[]'));
  assert.equal(booleanFilter(['true'], 'dangling'), true);
  assert.throws(() => booleanFilter(['true', 'false'], 'dangling'), { code: 'invalid_argument' });
});

test('versions that are not spoken are refused in the words of Docker', () => {
  assert.equal(minorVersionOf('/v1.24/info'), 24);
  assert.equal(minorVersionOf('/info'), 51);
  assert.throws(() => minorVersionOf('/v1.23/info'), { message: /client version 1.23 is too old/ });
  assert.throws(() => minorVersionOf('/v1.52/info'), { message: /client version 1.52 is too new/ });
  assert.throws(() => minorVersionOf('/v2.0/info'), { message: /too new/ });
  assert.equal(withoutVersion('/v1.44/containers/json?all=1'), '/containers/json?all=1');
  assert.equal(withoutVersion('/version'), '/version');
});

test('credentials from the header, in either base64', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  assert.equal(parseRegistryAuth(undefined), undefined);
  assert.equal(parseRegistryAuth('e30='), undefined);
  assert.deepEqual(parseRegistryAuth(encode({ username: 'u', password: 'p??>', serveraddress: 's' })), {
    username: 'u',
    password: 'p??>',
    serverAddress: 's',
  });
  assert.deepEqual(parseRegistryAuth(encode({ auth: Buffer.from('u:p:q').toString('base64') })), {
    username: 'u',
    password: 'p:q',
  });
  assert.deepEqual(parseRegistryAuth(encode({ identitytoken: 't' })), { identityToken: 't' });
  assert.throws(() => parseRegistryAuth('%%%'), { code: 'invalid_argument' });
});

test('how long ago', () => {
  assert.equal(humanDuration(500), 'Less than a second');
  assert.equal(humanDuration(59_000), '59 seconds');
  assert.equal(humanDuration(61_000), 'About a minute');
  assert.equal(humanDuration(3 * 3_600_000), '3 hours');
  assert.equal(humanDuration(50 * 3_600_000), '2 days');
  assert.ok(Math.abs(parseUntil('1h30m').getTime() - (Date.now() - 5_400_000)) < 1000);
  assert.equal(parseUntil('1700000000').toISOString(), '2023-11-14T22:13:20.000Z');
  assert.throws(() => parseUntil('soon'), { code: 'invalid_argument' });
});
