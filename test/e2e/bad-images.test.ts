/** Images that lie, attack or cannot run: a clear error that names the thing, the right exit code, nothing left behind. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import {
  dockerArchive,
  registryImage,
  sha256,
  tarOf,
  type RegistryImage,
  type TarEntry,
} from './crafted-image.ts';
import { DvmCommand } from './dvm-command.ts';
import { assertNoMoreThan, footprint } from './host-footprint.ts';
import { startLyingRegistry } from './lying-registry.ts';
import { registryUser, startRegistry } from './registry.ts';
import { loadBusybox, testImage } from './test-images.ts';

void test('bad images', { timeout: 300_000 }, async (t) => {
  await using daemon = await startDaemon();
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);
  await dvm.run(['run', '--rm', 'busybox', 'true']);
  const before = await footprint(daemon);

  /** Fails with this exit code, says all of this on standard error, and leaves no image, container or file. */
  async function refused(
    args: readonly string[],
    code: number,
    said: readonly RegExp[],
    input?: Buffer,
  ): Promise<void> {
    const result = await dvm.try(args, input ? { input } : {});
    const shown = `dvm ${args.join(' ')}: ${result.code}\n${result.stdout}\n${result.stderr}`;
    assert.equal(result.code, code, shown);
    for (const pattern of said) assert.match(result.stderr, pattern, shown);
    assert.equal(
      await dvm.run(['images', '-q']),
      await dvm.run(['images', '-q', 'busybox']),
      'images left behind',
    );
    assert.equal(await dvm.run(['ps', '-aq']), '', 'containers left behind');
    // A connection to a registry is kept for some seconds; the last check counts those, too.
    await assertNoMoreThan(before, daemon, { ignore: /descriptors/ });
  }

  const good = tarOf([{ name: 'hello', content: 'hello\n' }]);
  const load = (image: Parameters<typeof dockerArchive>[0]) => dockerArchive(image, 'crafted:latest');

  await t.test('an image that does not exist: pull 1, run 125', async () => {
    await using registry = await startRegistry();
    const missing = `${registry.address}/no/such:1`;
    await refused(['pull', missing], 1, [/no\/such/]);
    await refused(['run', '--rm', missing, 'true'], 125, [/no\/such/]);
    await refused(['run', '--rm', '--pull', 'never', 'nowhere', 'true'], 125, [/nowhere/]);
  });

  await t.test('a reference that is none', async () => {
    await refused(['pull', 'UPPER/case'], 1, [/UPPER\/case/]);
    await refused(['run', 'a:b:c', 'true'], 125, [/a:b:c/]);
  });

  await t.test('a registry that cannot be reached', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    closed.close();
    await once(closed, 'close');
    await refused(['pull', `127.0.0.1:${port}/a/b:1`], 1, [
      new RegExp(`127\\.0\\.0\\.1:${port}`),
      /refused/i,
    ]);
  });

  await t.test('credentials: none, wrong, and the right ones from ~/.docker/config.json', async () => {
    await using registry = await startRegistry({ password: true });
    const reference = await registry.push(await testImage('busybox'), 'private/busybox:1');
    await refused(['pull', reference], 1, [
      /private\/busybox/,
      /credentials|authentication|unauthorized|login/i,
    ]);

    const home = await mkdtemp(join(tmpdir(), 'dvm-docker-config-'));
    const login = async (password: string) => {
      const auth = Buffer.from(`${registryUser.username}:${password}`).toString('base64');
      await writeFile(join(home, 'config.json'), JSON.stringify({ auths: { [registry.address]: { auth } } }));
    };
    try {
      await login('wrong');
      const env = { DOCKER_CONFIG: home };
      const wrong = await dvm.try(['pull', reference], { env });
      assert.equal(wrong.code, 1);
      assert.match(wrong.stderr, /credentials|authentication|unauthorized/i);
      await login(registryUser.password);
      await dvm.run(['pull', reference], { env });
      await dvm.run(['rmi', reference]);
    } finally {
      await rm(home, { recursive: true });
    }
  });

  await t.test('a corrupt layer, a layer cut short, a lying digest and a lying diff ID', async () => {
    const image = registryImage({ layers: [good] });
    const layer = [...image.blobs.keys()][1] ?? '';
    const bytes = image.blobs.get(layer) ?? Buffer.alloc(0);
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bytes.length - 12) ^ 1, bytes.length - 12);
    const serving = (blob: Buffer): RegistryImage => ({
      ...image,
      blobs: new Map(image.blobs).set(layer, blob),
    });
    await using registry = await startLyingRegistry({
      corrupt: serving(flipped),
      short: serving(bytes.subarray(0, 40)),
      other: serving(
        registryImage({ layers: [tarOf([{ name: 'evil', content: 'x' }])] })
          .blobs.values()
          .toArray()[1] ?? bytes,
      ),
      diffid: registryImage({ layers: [good], diffIds: [sha256('something else')] }),
    });
    await refused(['pull', `${registry.address}/corrupt`], 1, [/corrupt/, new RegExp(layer.slice(7, 19))]);
    await refused(['pull', `${registry.address}/short`], 1, [/short/, new RegExp(layer.slice(7, 19))]);
    await refused(['pull', `${registry.address}/other`], 1, [/other/, new RegExp(layer.slice(7, 19))]);
    await refused(['pull', `${registry.address}/diffid`], 1, [/diff ?id/i]);
    await refused(['pull', `${registry.address}/diffid@${sha256('a manifest that is not there')}`], 1, [
      /diffid/,
    ]);
    await refused(['load'], 1, [/diff ?id/i], load({ layers: [good], diffIds: [sha256('something else')] }));
  });

  await t.test('a manifest that does not have the digest that was asked for', async () => {
    const image = registryImage({ layers: [good] });
    await using registry = await startLyingRegistry({ swapped: image }, (path, response) => {
      if (!path.includes('/manifests/')) return false;
      response
        .writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' })
        .end(image.manifest);
      return true;
    });
    await refused(['pull', `${registry.address}/swapped@${sha256('another')}`], 1, [/swapped/, /digest/i]);
  });

  const hostile: Readonly<Record<string, TarEntry>> = {
    'a name with ..': { name: '../../outside', content: 'x' },
    'a hard link to outside': { name: 'link', type: 'link', linkname: '../../etc/passwd' },
    'a hard link to nothing': { name: 'link', type: 'link', linkname: 'no/such/file' },
  };
  for (const [what, entry] of Object.entries(hostile)) {
    await t.test(`a layer with ${what}`, async () => {
      await refused(
        ['load'],
        1,
        [new RegExp(entry.name.replaceAll('.', '\\.'))],
        load({ layers: [tarOf([entry])] }),
      );
    });
  }

  await t.test('absolute names, links out of the root and devices stay inside the container', async () => {
    const busybox = await busyboxEntry();
    const layer = tarOf([
      { name: 'bin/', type: 'directory' },
      busybox,
      { name: '/absolute', content: 'inside\n' },
      { name: 'escape', type: 'symlink', linkname: '../../../../etc/hostname-of-host' },
      { name: 'disk', type: 'block', devmajor: 8, devminor: 0, mode: 0o666 },
      { name: 'kmem', type: 'character', devmajor: 1, devminor: 2, mode: 0o666 },
    ]);
    await dvm.run(['load'], { input: load({ layers: [layer] }) });
    const inside = (...args: string[]) => dvm.try(['run', '--rm', 'crafted', '/bin/busybox', ...args]);
    assert.equal((await inside('cat', '/absolute')).stdout, 'inside\n');
    assert.equal((await inside('cat', '/escape')).code, 1);
    assert.notEqual(
      (await inside('head', '-c', '1', '/disk')).code,
      0,
      'a block device of an image must not open',
    );
    assert.notEqual(
      (await inside('head', '-c', '1', '/kmem')).code,
      0,
      'a character device of an image must not open',
    );
    await dvm.run(['rmi', 'crafted']);
  });

  await t.test('an image for another architecture, or another system', async () => {
    const arm = registryImage({ layers: [good], architecture: 'arm64' });
    await using registry = await startLyingRegistry({ arm });
    await refused(['pull', `${registry.address}/arm`], 1, [/arm64/, /amd64/]);
    await refused(['load'], 1, [/windows/], load({ layers: [good], os: 'windows' }));
  });

  await t.test('an image without layers', async () => {
    await refused(['load'], 1, [/layer/], load({ layers: [] }));
    await using registry = await startLyingRegistry({ empty: registryImage({ layers: [] }) });
    await refused(['pull', `${registry.address}/empty`], 1, [/layer/]);
  });

  await t.test('an archive that is none, is cut short, or has no manifest', async () => {
    await refused(
      ['load'],
      1,
      [/archive|tar/i],
      Buffer.from('this is no archive, whatever its name says'.repeat(40)),
    );
    await refused(['load'], 1, [/./], load({ layers: [good] }).subarray(0, 1600));
    await refused(['load'], 1, [/manifest\.json|index\.json/], tarOf([{ name: 'a', content: 'b' }]));
  });

  await assertNoMoreThan(before, daemon);
});

async function busyboxEntry(): Promise<TarEntry> {
  return { name: 'bin/busybox', content: await readFile('/bin/busybox'), mode: 0o755 };
}
