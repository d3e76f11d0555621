import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DetachDetector, parseDetachKeys } from './detach-keys.ts';

test('keys by their names', () => {
  assert.deepEqual([...parseDetachKeys('ctrl-p,ctrl-q')], [16, 17]);
  assert.deepEqual(
    [...parseDetachKeys('a,B,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_')],
    [97, 66, 0, 27, 28, 29, 30, 31],
  );
  for (const text of ['ctrl-', 'ctrl-A', 'shift-a', 'ab', 'a,,b', ''])
    assert.throws(() => parseDetachKeys(text), /invalid detach keys/);
});

test('the sequence is found across chunks, and what only looks like it passes', () => {
  const cases: readonly (readonly [readonly string[], string, boolean])[] = [
    [['abc'], 'abc', false],
    [['a\x10\x11b'], 'a', true],
    [['\x10', '\x11'], '', true],
    [['\x10', 'x'], '\x10x', false],
    [['\x10', '\x10\x11'], '\x10', true],
    [['\x10'], '', false], // held back until the next key decides
  ];
  for (const [chunks, passed, found] of cases) {
    const detector = new DetachDetector(parseDetachKeys('ctrl-p,ctrl-q'));
    let pass = '';
    let detached = false;
    for (const chunk of chunks) {
      const fed = detector.feed(Buffer.from(chunk));
      pass += fed.pass.toString();
      detached ||= fed.detached;
    }
    assert.deepEqual([pass, detached], [passed, found], JSON.stringify(chunks));
  }
});
