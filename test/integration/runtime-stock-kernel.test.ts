/** The distribution's own kernel as a user's: modules, ACPI, another command line, and yet the same containers. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { CollectingSink, containerSpec, exitOf, processSpec } from '../conformance/pod-runtime.ts';
import { realRuntimeHost } from './runtime-host.ts';

test('a pod with a kernel of its own is cloned from a template of that kernel', async (t) => {
  await using host = await realRuntimeHost();
  const id = randomBytes(32).toString('hex');
  const pod = await host.runtime.createSandbox(
    { id, hostname: 'own', kernelPath: '/the/stock/kernel' },
    t.signal,
  );
  assert.equal(pod.origin.how, 'template');
  assert.equal(pod.origin.kernelKind, 'custom');
  const sink = new CollectingSink();
  const request = containerSpec(host.layers, processSpec(['uname', '-r']), {
    writablePath: await host.makeDisk(),
  });
  const container = await pod.startContainer(request, sink, t.signal);
  assert.equal((await exitOf(container.process)).exitCode, 0, sink.text('stderr'));
  assert.equal(sink.text().trim(), pod.origin.kernelRelease);
  assert.match(sink.text(), /cloud/);
  await container.remove();
  await pod.destroy();
  assert.deepEqual(await host.leftovers(), []);
});
