/** The pool on the real VMM: machines that wait are as good as new ones, and are replaced. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { CollectingSink, containerSpec, exitOf, processSpec } from '../conformance/pod-runtime.ts';
import { realRuntimeHost } from './runtime-host.ts';
import { blankDisk, busyboxLayer } from './runtime-image.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

test('machines of the pool are rehearsed, taken, named, and replaced; none is left', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-rehearsal-'));
  t.after(() => rm(directory, { recursive: true }));
  const layer = await busyboxLayer(directory);
  await using host = await realRuntimeHost({
    poolTarget: 2,
    rehearsal: {
      layerPath: layer.path,
      args: ['cat'],
      execArgs: ['echo', 'ready'],
      makeDisk: (path) => blankDisk(path, 8 << 20),
    },
  });
  const { runtime } = host;
  runtime.startPool();
  for (let round = 0; round < 4; round++) {
    while (runtime.info().pool.ready < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    const pod = await runtime.createSandbox(
      { id: randomBytes(32).toString('hex'), hostname: `pod-${round}` },
      t.signal,
    );
    assert.equal(pod.origin.how, 'pool');
    const sink = new CollectingSink();
    const writablePath = await host.makeDisk();
    const script = 'hostname; ls /; touch /made && cat /proc/self/mountinfo | wc -l';
    const request = containerSpec(host.layers, processSpec(['sh', '-c', script]), { writablePath });
    const container = await pod.startContainer(request, sink, t.signal);
    assert.equal((await exitOf(container.process)).exitCode, 0, sink.text('stderr'));
    assert.match(sink.text(), new RegExp(`^pod-${round}\n`));
    assert.match(sink.text(), /\bbin\n/, 'its own image, not the rehearsal’s empty disk');
    await container.remove();
    await pod.destroy();
  }
  assert.deepEqual(host.warnings, []);
  await runtime[Symbol.asyncDispose]();
  assert.deepEqual(await host.leftovers(), []);
});
