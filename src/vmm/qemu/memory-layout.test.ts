import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuestKernel } from '../../engine/ports/vmm.ts';
import { memoryRegions } from './memory-layout.ts';

const mib = 1 << 20;
const shape = (memoryMib: number, kind: GuestKernel['kind'] = 'trimmed') => ({
  vcpus: 1,
  memoryBytes: memoryMib * mib,
  kernel: { path: '/kernel', kind, release: '6', hash: '' },
  initramfsPath: '/initramfs',
});

for (const memoryMib of [64, 128, 256, 512, 2048, 3072, 3074, 3100, 4096, 16384]) {
  for (const kind of ['trimmed', 'stock'] as const) {
    test(`${memoryMib} MiB, ${kind} kernel: regions follow each other and fill the memory`, () => {
      const regions = memoryRegions(shape(memoryMib, kind));
      let end = 0;
      for (const region of regions) {
        assert.equal(region.offsetBytes, end);
        assert.ok(
          region.sizeBytes > 0 && region.sizeBytes % (2 * mib) === 0,
          `${region.id}: ${region.sizeBytes} bytes`,
        );
        end += region.sizeBytes;
      }
      assert.equal(end, memoryMib * mib);
      assert.equal(regions[0]?.shared, true);
      assert.equal(regions.at(-1)?.shared, true);
      assert.equal(new Set(regions.map((region) => region.id)).size, regions.length);
    });
  }
}

test('most of a generous memory is the clone’s own, none of a small one', () => {
  const own = (memoryMib: number) =>
    memoryRegions(shape(memoryMib))
      .filter((region) => !region.shared)
      .reduce((sum, region) => sum + region.sizeBytes, 0) / mib;
  assert.ok(own(2048) > 1900, String(own(2048)));
  assert.ok(own(8192) > 7800, String(own(8192)));
  assert.equal(own(128), 0);
});
