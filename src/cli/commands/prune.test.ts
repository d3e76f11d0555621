import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliProcess } from '../testing/cli-process.ts';
import { FakeDaemon } from '../testing/fake-daemon.ts';

const routes = {
  'POST /containers/prune': () => ({ body: { ContainersDeleted: null, SpaceReclaimed: 0 } }),
  'POST /images/prune': () => ({ body: { ImagesDeleted: null, SpaceReclaimed: 2_500_000 } }),
};

for (const [answer, pruned] of [
  ['y\n', true],
  ['YES\n', true],
  ['n\n', false],
  ['\n', false],
  ['', false],
] as const) {
  test(`prune asks first, and ${JSON.stringify(answer)} means ${pruned ? 'yes' : 'no'}`, async () => {
    await using daemon = await FakeDaemon.start(routes);
    await using dvm = new CliProcess(['--socket', daemon.socketPath, 'container', 'prune']);
    dvm.child.stdin?.end(answer);
    assert.equal(await dvm.code(), pruned ? 0 : 1);
    assert.match(
      dvm.stderr,
      /WARNING! This will remove all stopped containers\.\nAre you sure you want to continue\? \[y\/N\] /,
    );
    assert.deepEqual(daemon.asked(), pruned ? ['POST /containers/prune'] : []);
  });
}

test('image prune says what it will remove and what it freed', async () => {
  await using daemon = await FakeDaemon.start(routes);
  await using dvm = new CliProcess(['--socket', daemon.socketPath, 'image', 'prune', '-a']);
  dvm.child.stdin?.end('y\n');
  assert.equal(await dvm.code(), 0);
  assert.match(dvm.stderr, /all images without at least one container/);
  assert.equal(dvm.stdout.toString(), 'Total reclaimed space: 2.5MB\n');
  assert.deepEqual(daemon.requests[0]?.query['filters'], ['{"dangling":{"false":true}}']);
});
