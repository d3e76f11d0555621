/** The real docker client pulls through the daemon from a real registry, with and without credentials. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import { DockerCommand, dockerMissing } from './docker-command.ts';
import { registryUser, startRegistry } from './registry.ts';
import { testImage } from './test-images.ts';

void test('docker pull', { timeout: 600_000, skip: dockerMissing() }, async (t) => {
  await using daemon = await startDaemon({ args: ['--pool-size', '0'] });
  await using registry = await startRegistry();
  await using lockedRegistry = await startRegistry({ password: true });
  const docker = new DockerCommand(daemon.socket);
  const source = await testImage('busybox');
  const open = await registry.push(source, 'tests/busybox:1');
  const locked = await lockedRegistry.push(source, 'tests/busybox:2');

  await t.test('layer by layer, then by its digest', async () => {
    const said = await docker.run(['pull', open]);
    assert.match(said, /Pull complete/);
    assert.match(said, /Digest: sha256:[0-9a-f]{64}/);
    assert.match(said, new RegExp(`Status: Downloaded newer image for ${open}`));
    assert.match(await docker.run(['pull', open]), /Status: Image is up to date/);
    const digest = /Digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1] ?? '';
    await docker.run(['pull', `${open.replace(/:1$/, '')}@${digest}`]);
    assert.equal((await docker.run(['images', '-q', '--no-trunc'])).trim().split('\n').length, 1);
  });

  await t.test('run pulls what is missing', async () => {
    await docker.run(['rmi', '-f', open]);
    const { code, stdout, stderr } = await docker.try(['run', '--rm', open, 'echo', 'pulled and run']);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'pulled and run\n' });
    assert.match(stderr, /Unable to find image/);
  });

  await t.test('a tag that is not there: said, and nothing is kept', async () => {
    const { code, stderr } = await docker.try(['pull', open.replace(/:1$/, ':none')]);
    assert.equal(code, 1);
    assert.match(stderr, /none/);
  });

  await t.test("credentials of the client's configuration", async () => {
    const without = await docker.try(['pull', locked]);
    assert.equal(without.code, 1);
    assert.match(without.stderr, /unauthorized|authentication|credentials|denied/i);
    const directory = await mkdtemp(join(tmpdir(), 'dvm-docker-config-'));
    try {
      const auth = Buffer.from(`${registryUser.username}:${registryUser.password}`).toString('base64');
      await writeFile(
        join(directory, 'config.json'),
        JSON.stringify({ auths: { [lockedRegistry.address]: { auth } } }),
      );
      await docker.run(['--config', directory, 'pull', locked]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
