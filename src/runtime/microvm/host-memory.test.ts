import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMemoryLow, parseHostMemory, readHostMemory } from './host-memory.ts';

const meminfo = 'MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    4000000 kB\n';

test('reads what the kernel says', () => {
  const pressure =
    'some avg10=12.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=0\n';
  assert.deepEqual(parseHostMemory(meminfo, pressure), {
    totalBytes: 8_000_000 * 1024,
    availableBytes: 4_000_000 * 1024,
    pressurePercent: 12.5,
  });
  assert.equal(parseHostMemory(meminfo, '').pressurePercent, 0);
  assert.throws(() => parseHostMemory('MemTotal: 1 kB\n', ''), /MemAvailable/);
  assert.ok(readHostMemory().totalBytes > 0);
});

test('low: little left, or work stalls for it', () => {
  const memory = { totalBytes: 8e9, availableBytes: 4e9, pressurePercent: 0 };
  assert.equal(isMemoryLow(memory), false);
  assert.equal(isMemoryLow({ ...memory, availableBytes: 7e8 }), true);
  assert.equal(isMemoryLow({ ...memory, pressurePercent: 10 }), true);
  assert.equal(isMemoryLow({ totalBytes: 1e12, availableBytes: 2e9, pressurePercent: 0 }), false);
});
