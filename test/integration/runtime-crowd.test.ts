/** Many at once, some given up half-way: nothing is left of any of them. */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CollectingSink, containerSpec, exitOf, processSpec } from '../conformance/pod-runtime.ts';
import { realRuntimeHost } from './runtime-host.ts';
import type { RealRuntimeHost } from './runtime-host.ts';

const runs = 30;
const atOnce = 6;

/** Whether it came to its end: one that was given up need not have. */
async function run(host: RealRuntimeHost, number: number, signal: AbortSignal): Promise<boolean> {
  const pod = await host.runtime.createSandbox(
    { id: randomBytes(32).toString('hex'), hostname: `pod-${number}` },
    signal,
  );
  try {
    const sink = new CollectingSink();
    const writablePath = await host.makeDisk();
    const request = containerSpec(host.layers, processSpec(['echo', String(number)]), { writablePath });
    const container = await pod.startContainer(request, sink, signal);
    await exitOf(container.process);
    assert.equal(sink.text(), `${number}\n`);
    return true;
  } finally {
    await pod.destroy();
  }
}

test('thirty pods, six at a time, a third of them given up half-way', async (t) => {
  await using host = await realRuntimeHost();
  await run(host, -1, t.signal); // the template is there now
  const numbers = Array.from({ length: runs }, (_, n) => n).values();
  let ended = 0;
  const worker = async () => {
    for (const number of numbers) {
      const givenUp = number % 3 === 0;
      const signal = givenUp ? AbortSignal.timeout(randomInt(1, 900)) : t.signal;
      try {
        if (await run(host, number, signal)) ended++;
      } catch (error) {
        if (!givenUp) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  assert.ok(ended >= (runs * 2) / 3);
  assert.deepEqual(await host.leftovers(), []);
  assert.deepEqual(await readdir(join(host.directory, 'state/sandboxes')), []);
  assert.deepEqual(host.warnings, []);
});
