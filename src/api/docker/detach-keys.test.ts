import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilDetached } from './attach-input.ts';
import { DetachScanner, parseDetachKeys } from './detach-keys.ts';

test('keys are named as docker names them', () => {
  assert.deepEqual([...parseDetachKeys('')], [16, 17]);
  assert.deepEqual([...parseDetachKeys('ctrl-a,x,ctrl-@,ctrl-[')], [1, 120, 0, 27]);
  for (const wrong of ['ctrl-', 'ctrl-1', 'ab', 'ctrl-a,', 'ctrl-A'])
    assert.throws(() => parseDetachKeys(wrong), { code: 'invalid_argument' });
});

test('the keys are found across pieces; what only looked like their beginning goes through', () => {
  const scanner = new DetachScanner(Uint8Array.of(16, 17));
  const feed = (...bytes: number[]) => {
    const { forward, detached } = scanner.scan(Uint8Array.from(bytes));
    return [[...forward], detached];
  };
  assert.deepEqual(feed(1, 2), [[1, 2], false]);
  assert.deepEqual(feed(16), [[], false]);
  assert.deepEqual(feed(3), [[16, 3], false]);
  assert.deepEqual(feed(16, 16), [[16], false]);
  assert.deepEqual(feed(17, 5), [[], true]);
});

test('detaching is told before the input ends', async () => {
  const order: string[] = [];
  const source = (async function* () {
    yield Uint8Array.of(97);
    await Promise.resolve();
    yield Uint8Array.of(98, 16, 17, 99);
    order.push('read on');
  })();
  for await (const chunk of untilDetached(source, Uint8Array.of(16, 17), () => order.push('detached')))
    order.push(Buffer.from(chunk).toString());
  order.push('ended');
  assert.deepEqual(order, ['a', 'b', 'detached', 'ended']);
});
