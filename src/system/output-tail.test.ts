import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutputTail } from './output-tail.ts';

test('the last bytes are kept, however they come', () => {
  const tail = new OutputTail(4);
  assert.equal(tail.text(), '');
  for (const char of 'abcdefghijklmnop') tail.push(Buffer.from(char));
  assert.equal(tail.text(), 'mnop');
  tail.push(Buffer.from('0123456789'));
  assert.equal(tail.text(), '6789');
});
