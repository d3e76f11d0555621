import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { returnFreeMemory } from './free-memory.ts';

test('memory that was freed is given back', () => {
  const held = fragmentHeap();
  const before = residentBytes();
  returnFreeMemory();
  assert.ok(before - residentBytes() > 10 << 20, `resident: ${before} before, ${residentBytes()} after`);
  assert.ok(held.length > 0);
});

/** 64 MiB in small pieces, of which all but every hundredth are freed: nothing at the heap's top can be cut off. */
function fragmentHeap(): readonly ArrayBuffer[] {
  const pieces: ArrayBuffer[] = [];
  for (let n = 0; n < 4096; n++) pieces.push(new Uint8Array(16 << 10).fill(1).buffer);
  return pieces.filter((piece, n) => n % 100 === 0 || (piece.transfer(0), false));
}

function residentBytes(): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(line) * 1024;
}
