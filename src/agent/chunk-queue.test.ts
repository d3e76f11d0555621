import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { test } from 'node:test';
import { ChunkQueue } from './chunk-queue.ts';

test('gives back what was put in, in order, whatever the sizes', () => {
  const queue = new ChunkQueue();
  const put: Buffer[] = [];
  const got: Buffer[] = [];
  for (let i = 0; i < 2000; i++) {
    const chunk = randomBytes(randomInt(1, 10) === 1 ? randomInt(1, 40_000) : randomInt(1, 200));
    put.push(chunk);
    queue.push(chunk);
    if (randomInt(4) === 0) got.push(queue.shift() ?? Buffer.alloc(0));
  }
  for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) got.push(chunk);
  assert.ok(Buffer.concat(got).equals(Buffer.concat(put)));
  assert.ok(queue.isEmpty);
});

test('many tiny pieces become few', () => {
  const queue = new ChunkQueue();
  for (let i = 0; i < 100_000; i++) queue.push(Buffer.from('x'));
  let pieces = 0;
  while (queue.shift() !== undefined) pieces++;
  assert.ok(pieces <= 4, `${pieces} pieces`);
});
