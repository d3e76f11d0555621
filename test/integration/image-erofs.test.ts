/** The kernel reads from a converted layer what GNU tar unpacks from the layer's archive, byte for byte. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { lstat, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { convertLayer, type ConvertedLayer } from '../../src/image/layer/convert-layer.ts';
import { defaultLayerLimits } from '../../src/image/layer/layer-limits.ts';
import { tarOf } from '../e2e/crafted-image.ts';
import { archiveOf, mountErofs } from './image-mount.ts';

const run = promisify(execFile);
const patience = AbortSignal.timeout(300_000);

async function shell(directory: string, script: string): Promise<string> {
  const { stdout } = await run('sh', ['-euc', script], { cwd: directory, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

async function scratch(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'dvm-layer-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function convert(tar: string, image: string): Promise<ConvertedLayer> {
  return await convertLayer(
    { what: 'test layer', bytes: createReadStream(tar), compression: 'any' },
    image,
    defaultLayerLimits,
    patience,
  );
}

/** Converts `tar`, lets fsck check the image, and compares what the kernel shows with what GNU tar unpacks. */
async function assertSameAsUnpacked(directory: string, tar: string): Promise<void> {
  const image = join(directory, 'image.erofs');
  await convert(join(directory, tar), image);
  await run('fsck.erofs', [image]);
  await shell(
    directory,
    `mkdir unpacked && tar --numeric-owner --same-owner -p --xattrs --xattrs-include='*' -xf ${tar} -C unpacked`,
  );
  await using mounted = await mountErofs(image);
  // Where the archive does not name the root, ours has the epoch and GNU tar's has the time of the test.
  await shell(directory, `touch -r ${mounted.path} unpacked && chmod --reference=${mounted.path} unpacked`);
  const [ours, theirs] = await Promise.all([archiveOf(mounted.path), archiveOf(join(directory, 'unpacked'))]);
  if (ours.equals(theirs)) return;
  await writeFile(join(directory, 'ours.tar'), ours);
  await writeFile(join(directory, 'theirs.tar'), theirs);
  const lines = async (name: string) =>
    (await shell(directory, `tar --xattrs -tvvf ${name} --full-time`)).split('\n');
  const [mine, others] = [await lines('ours.tar'), await lines('theirs.tar')];
  assert.deepEqual(
    mine.filter((line, i) => line !== others[i]).slice(0, 10),
    others.filter((line, i) => line !== mine[i]).slice(0, 10),
  );
  assert.fail('same listing, but other bytes');
}

const varied = `
  mkdir -p tree/empty tree/a/b/c tree/many tree/long; cd tree
  : > zero; printf x > one
  for size in 511 512 513 4031 4032 4033 4095 4096 4097 8191 8192 8193 32767 32768 32769 100000; do head -c $size /dev/urandom > size-$size; done
  head -c 3000000 /dev/urandom > big
  for i in $(seq 1 1500); do echo $i > "many/file-number-$i-with-a-name-that-is-rather-long"; done
  long=$(printf 'n%.0s' $(seq 1 255)); echo long > long/$long
  mkdir -p long/$long-dir 2>/dev/null || true
  for n in '!before-dot' '-dash' '.hidden' 'sp ace' 'new
line' "$(printf 'latin\\351')" 'ünïcode' '~'; do echo "$n" > "a/$n"; done
  ln -s target a/short-link
  ln -s "$(printf 'deep/%.0s' $(seq 1 150))end" a/long-link
  ln -s "$(head -c 4090 /dev/zero | tr '\\0' x)" a/longest-link
  ln big a/b/hard; ln big a/b/c/harder; ln a/short-link a/b/linked-link
  mkfifo a/fifo; mknod a/char c 1 3; mknod a/block b 259 70000
  chmod 4755 one; chmod 2750 a/b; chmod 1777 empty; chmod 0 zero
  chown 4000000000:3000000000 zero; chown -h 5:6 a/short-link
  touch -d '1970-01-02 03:04:05.123456789Z' one
  touch -d '2106-02-07 06:28:17.5Z' big
  touch -d '1960-05-05 00:00:00.25Z' size-512
  touch -h -d '2001-01-01 01:01:01.000000001Z' a/long-link`;

const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : 'mounting and device nodes need root';

for (const format of ['pax', 'gnu']) {
  test(`every kind of file, ${format} archive`, { skip }, async () => {
    await using directory = await scratch();
    await shell(directory.path, varied);
    // GNU's headers hold whole seconds only.
    if (format === 'gnu') await shell(directory.path, `find tree -exec touch -h -d @1234567890 {} +`);
    await shell(
      directory.path,
      `tar --format=${format} --xattrs --xattrs-include='*' -C tree -cf layer.tar .`,
    );
    if (format === 'pax') await shell(directory.path, attributes);
    await assertSameAsUnpacked(directory.path, 'layer.tar');
  });
}

/** Appends members again, with attributes: needs no program that sets them, and later members replace earlier ones. */
const attributes = `
  add() { attribute=$1; shift; tar --format=pax --pax-option="SCHILY.xattr.$attribute" --no-recursion -C tree -rf layer.tar "$@"; }
  add user.one:=value ./one
  add user.same:=shared-by-many ./size-4032 ./size-4033 ./size-511 ./a ./many
  add "user.large:=$(head -c 3500 /dev/zero | tr '\\0' v)" ./size-513
  add trusted.thing:=t ./a/b
  setcap cap_net_bind_service=ep tree/size-512
  tar --format=pax --xattrs --xattrs-include='*' -C tree -rf layer.tar ./size-512`;

for (const version of [
  '--format=gnu',
  '--format=pax --sparse-version=0.0',
  '--format=pax --sparse-version=0.1',
  '--format=pax --sparse-version=1.0',
]) {
  test(`sparse files, ${version}`, { skip }, async () => {
    await using directory = await scratch();
    await shell(
      directory.path,
      `mkdir tree
       truncate -s 50M tree/hole; truncate -s 3M tree/tail; echo end >> tree/tail
       echo start > tree/head; truncate -s 5000000 tree/head
       for i in $(seq 0 60); do printf data | dd of=tree/islands bs=1 seek=$((i * 100000)) conv=notrunc status=none; done
       find tree -exec touch -d @1234567890 {} +
       tar --sparse ${version} -C tree -cf layer.tar .
       test $(stat -c %s layer.tar) -lt 2000000`,
    );
    await assertSameAsUnpacked(directory.path, 'layer.tar');
    // Holes stay holes: the image takes less room than its size.
    const { size, blocks } = await stat(join(directory.path, 'image.erofs'));
    assert.ok(blocks * 512 < size / 4, `${blocks * 512} bytes on disk of ${size}`);
  });
}

test('a directory of 70000 entries', { skip }, async () => {
  await using directory = await scratch();
  const names = Array.from({ length: 70_000 }, (_, i) => `entry-${(i * 7919) % 70_000}`);
  await writeFile(
    join(directory.path, 'layer.tar'),
    tarOf(names.map((name) => ({ name: `d/${name}`, content: name }))),
  );
  const image = join(directory.path, 'image.erofs');
  await convert(join(directory.path, 'layer.tar'), image);
  await run('fsck.erofs', [image]);
  await using mounted = await mountErofs(image);
  assert.deepEqual((await readdir(join(mounted.path, 'd'))).sort(), names.sort());
  for (const name of names.slice(0, 2000))
    assert.equal(await readFile(join(mounted.path, 'd', name), 'utf8'), name);
});

test('a file of more than 4 GiB', { skip }, async () => {
  await using directory = await scratch();
  await shell(
    directory.path,
    `mkdir tree; truncate -s 5G tree/big; printf end >> tree/big; tar --sparse -C tree -cf layer.tar .`,
  );
  const image = join(directory.path, 'image.erofs');
  await convert(join(directory.path, 'layer.tar'), image);
  await using mounted = await mountErofs(image);
  const { size } = await stat(join(mounted.path, 'big'));
  assert.equal(size, 5 * 1024 ** 3 + 3);
  assert.equal(await shell(mounted.path, 'tail -c 3 big'), 'end');
});

test('the same bytes whichever way the layer is compressed and cut into chunks', async () => {
  await using directory = await scratch();
  await shell(
    directory.path,
    `mkdir tree; for i in $(seq 1 300); do head -c $((i * 37)) /dev/urandom > tree/f$i; done; tar -C tree -cf layer.tar .`,
  );
  const tar = await readFile(join(directory.path, 'layer.tar'));
  const images: Buffer[] = [];
  const odd = (bytes: Buffer) => {
    const parts: Buffer[] = [];
    for (let at = 0, step = 1; at < bytes.length; at += step, step = (step * 7 + 3) % 5003)
      parts.push(bytes.subarray(at, at + step));
    return parts;
  };
  for (const [i, parts] of [[tar], odd(tar), [gzipSync(tar)], odd(zstdCompressSync(tar))].entries()) {
    const path = join(directory.path, `${i}.erofs`);
    const layer = await convertLayer(
      { what: 'layer', bytes: Readable.from(parts), compression: 'any' },
      path,
      defaultLayerLimits,
      patience,
    );
    assert.equal(layer.tarBytes, tar.length);
    assert.equal((await stat(path)).mode & 0o777, 0o444);
    images.push(await readFile(path));
  }
  for (const image of images) assert.ok(images[0]?.equals(image));
});

test('whiteouts and opaque directories as overlayfs wants them', { skip }, async () => {
  await using directory = await scratch();
  const tar = tarOf([
    { name: 'gone/', type: 'directory' },
    { name: 'gone/.wh.file' },
    { name: 'fresh/', type: 'directory' },
    { name: 'fresh/.wh..wh..opq' },
    { name: 'fresh/new', content: 'new' },
    // A whiteout hides lower layers only, whatever stands first.
    { name: '.wh.kept' },
    { name: 'kept', content: 'kept' },
    { name: 'dir/', type: 'directory' },
    { name: 'dir/x', content: 'x' },
    { name: '.wh.dir' },
    { name: '.wh..wh.plnk/', type: 'directory' },
  ]);
  await writeFile(join(directory.path, 'layer.tar'), tar);
  const image = join(directory.path, 'image.erofs');
  await convert(join(directory.path, 'layer.tar'), image);
  await run('fsck.erofs', [image]);
  await using mounted = await mountErofs(image);
  assert.deepEqual((await readdir(mounted.path)).sort(), ['dir', 'fresh', 'gone', 'kept']);
  const whiteout = await lstat(join(mounted.path, 'gone/file'));
  assert.ok(whiteout.isCharacterDevice());
  assert.equal(whiteout.rdev, 0);

  // And the proof: overlayfs itself, over a lower layer that has everything.
  await shell(
    directory.path,
    `mkdir -p lower/gone lower/fresh lower/dir upper work merged; for f in gone/file gone/stays fresh/old dir/old kept; do echo lower > lower/$f; done`,
  );
  const options = `lowerdir=${mounted.path}:${join(directory.path, 'lower')},upperdir=${join(directory.path, 'upper')},workdir=${join(directory.path, 'work')}`;
  await run('mount', ['-t', 'overlay', '-o', options, 'overlay', join(directory.path, 'merged')]);
  try {
    assert.equal(
      await shell(join(directory.path, 'merged'), `find . -type f | sort`),
      './dir/x\n./fresh/new\n./gone/stays\n./kept\n',
    );
    assert.equal(await shell(join(directory.path, 'merged'), 'cat kept'), 'kept');
  } finally {
    await run('umount', [join(directory.path, 'merged')]);
  }
});
