/** Hosts on which a daemon or a machine cannot start: what is said, what is left, and that it works again afterwards. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { dvmdPath, startDaemon } from './daemon-fixture.ts';
import { DvmCommand } from './dvm-command.ts';
import { assertNoMoreThan, footprint } from './host-footprint.ts';
import { loadBusybox, testImage } from './test-images.ts';
import { startRegistry } from './registry.ts';
import { cpioArchive, directory as directoryEntry } from '../../src/daemon/guest/cpio.ts';

const qemu = '/usr/bin/qemu-system-x86_64';

/** A QEMU in the place of the host's, for one daemon: DIRECTORY/mode says what becomes of a machine. */
const fakeQemu = `
touch $1/real-qemu
mount --bind ${qemu} $1/real-qemu
echo works >$1/mode
cat >$1/fake-qemu <<END
#!/bin/sh
if [ "\\$1" = --version ]; then exec $1/real-qemu --version; fi
case \\$(cat $1/mode) in
works) exec $1/real-qemu "\\$@" ;;
dies) echo "qemu: something is wrong with this host" >&2; exit 3 ;;
hangs) exec sleep 100000 ;;
esac
END
chmod 0755 $1/fake-qemu
mount --bind $1/fake-qemu ${qemu}`;

void test('a VMM that is missing: the daemon says what to install', async () => {
  const hideQemu =
    'mkdir -p $1/without && { [ -e $1/without/qemu-system-x86_64 ] || mknod $1/without/qemu-system-x86_64 c 0 0; }; ' +
    'mount -t overlay overlay -o lowerdir=$1/without:/usr/bin /usr/bin';
  await assert.rejects(startDaemon({ mount: hideQemu }), /qemu-system-x86_64[^]*install qemu-system-x86/);
});

void test('a VMM that dies or hangs at start', { timeout: 300_000 }, async (t) => {
  await using daemon = await startDaemon({ mount: fakeQemu, args: ['--pool-size', '0'] });
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);
  const runTrue = ['run', '--rm', 'busybox', 'true'];
  await dvm.run(runTrue);
  const before = await footprint(daemon);

  for (const [mode, said] of [
    ['dies', /something is wrong with this host/],
    ['hangs', /QEMU/],
  ] as const) {
    await t.test(`${mode}: 125, and no trace`, async () => {
      await writeFile(join(daemon.directory, 'mode'), mode);
      const { code, stderr } = await dvm.try(runTrue);
      assert.equal(code, 125, stderr);
      assert.match(stderr, said);
      assert.equal(await dvm.run(['ps', '-aq']), '');
      await assertNoMoreThan(before, daemon);
    });
  }

  await t.test('it works again as soon as QEMU does', async () => {
    await writeFile(join(daemon.directory, 'mode'), 'works');
    await dvm.run(runTrue);
  });

  await t.test('a VMM that is killed while its container runs: noticed at once, and said', async () => {
    await dvm.run(['run', '-d', '--name', 'victim', 'busybox', 'sleep', '100000']);
    process.kill(Number(await dvm.run(['inspect', '-f', '{{.State.Pid}}', 'victim'])), 'SIGKILL');
    assert.notEqual(await dvm.run(['wait', 'victim']), '0\n');
    const state = await dvm.run(['inspect', '-f', '{{.State.Status}} {{.State.Error}}', 'victim']);
    assert.match(state, /^exited .+/);
    await dvm.run(['start', 'victim']);
    await dvm.run(['rm', '-f', 'victim']);
  });
  await assertNoMoreThan(before, daemon);
});

void test('a guest that never gets ready', { timeout: 400_000 }, async (t) => {
  const scripts = { hangs: 'exec /bin/busybox sleep 1000000', dies: 'exit 1' };
  await Promise.all(
    Object.entries(scripts).map(([how, script]) =>
      t.test(how, async () => {
        const guest = await guestDirectory(script);
        try {
          await using daemon = await startDaemon({ args: ['--guest-dir', guest, '--pool-size', '0'] });
          const dvm = new DvmCommand(daemon.socket);
          await loadBusybox(dvm);
          const { code, stderr } = await dvm.try(['run', '--rm', 'busybox', 'true'], { timeoutMs: 300_000 });
          assert.equal(code, 125);
          assert.match(stderr, how === 'hangs' ? /ready|answer|120/ : /panic|ended|exit/i);
          assert.equal(await dvm.run(['ps', '-aq']), '');
        } finally {
          await rm(guest, { recursive: true });
        }
      }),
    ),
  );
});

void test('a kernel that is none: refused by its name', async () => {
  await using daemon = await startDaemon({ args: ['--pool-size', '0'] });
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);
  for (const kernel of ['/etc/hostname', '/no/such/kernel']) {
    const { code, stderr } = await dvm.try(['run', '--rm', '--kernel', kernel, 'busybox', 'true']);
    assert.equal(code, 125, stderr);
    assert.ok(stderr.includes(kernel), stderr);
  }
});

void test('a full disk: a pull fails and leaves nothing', { timeout: 200_000 }, async () => {
  await using registry = await startRegistry();
  const reference = await registry.push(await testImage('debian'), 'tests/debian:1');
  await using daemon = await startDaemon({
    mount: 'mkdir -p $1/data && mount -t tmpfs -o size=512m tmpfs $1/data',
    args: ['--pool-size', '0'],
  });
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);
  await dvm.run(['run', '--rm', 'busybox', 'true']);
  // The disk is in the daemon's mount namespace.
  const data = join(`/proc/${daemon.pid}/root`, daemon.dataDirectory);
  const { bavail, bsize } = await statfs(data);
  await writeFile(join(data, 'filler'), Buffer.alloc(bavail * bsize - (24 << 20)));

  const { code, stderr } = await dvm.try(['pull', reference]);
  assert.equal(code, 1);
  assert.match(stderr, /no space|full/i);
  assert.equal((await dvm.run(['images', '-q'])).trim().split('\n').length, 1);
  await dvm.run(['run', '--rm', 'busybox', 'true']);
  await rm(join(data, 'filler'));
  await dvm.run(['pull', reference]);
});

void test('directories: a second daemon, a newer version, a stale socket, something that is no socket', async (t) => {
  await using daemon = await startDaemon({ args: ['--pool-size', '0'] });
  const directories = ['--data-dir', daemon.dataDirectory, '--state-dir', daemon.stateDirectory];

  await t.test('a second daemon on the same directories', async () => {
    const { code, stderr } = await runDvmd(directories);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`another daemon \\(process ${daemon.pid}\\)`));
    await daemon.dvm(['version']);
  });
  await t.test('a second daemon on the same socket alone', async () => {
    const other = await mkdtemp('/var/tmp/dvm-e2e-');
    const own = ['--data-dir', join(other, 'data'), '--state-dir', join(other, 'state')];
    const { code, stderr } = await runDvmd([...own, '--socket', daemon.socket]);
    await rm(other, { recursive: true });
    assert.equal(code, 1);
    assert.ok(stderr.includes(daemon.socket), stderr);
    assert.equal((await daemon.dvm(['version'])).code, 0);
  });
  await t.test('a state directory of a newer version', async () => {
    await daemon.stop();
    for (const directory of [daemon.dataDirectory, daemon.stateDirectory]) {
      const path = join(directory, 'version');
      const mine = await readFile(path, 'utf8');
      await writeFile(path, '9999\n');
      const { code, stderr } = await runDvmd(directories);
      assert.equal(code, 1);
      assert.match(stderr, /newer/);
      assert.ok(stderr.includes(directory), stderr);
      await writeFile(path, mine);
    }
  });
  await t.test('a file where the socket should be is not removed', async () => {
    const path = join(daemon.directory, 'precious');
    await writeFile(path, 'data');
    const { code, stderr } = await runDvmd([...directories, '--socket', path]);
    assert.notEqual(code, 0);
    assert.ok(stderr.includes(path), stderr);
    assert.equal(await readFile(path, 'utf8'), 'data');
  });
  await t.test('a stale socket: a killed daemon leaves one, the next takes its place', async () => {
    await daemon.start();
    await daemon.kill();
    const stale = createServer();
    await assert.rejects(once(stale.listen(daemon.socket), 'listening'), { code: 'EADDRINUSE' });
    await daemon.start();
    assert.equal((await daemon.dvm(['version'])).code, 0);
  });
});

void test(
  'dvm starts a daemon where none answers, once, and says so in one line',
  { timeout: 120_000 },
  async () => {
    const directory = await mkdtemp('/var/tmp/dvm-e2e-');
    const data = join(directory, 'data');
    const state = join(directory, 'state');
    const socket = join(state, 'dvm.sock');
    const dvm = new DvmCommand(socket);
    const words = ['--data-dir', data, '--state-dir', state, 'version', '--format', '{{.Server.Version}}'];
    const results = await Promise.all([dvm.try(words), dvm.try(words), dvm.try(words)]);
    const pid = Number((await readFile(join(state, 'lock'), 'utf8')).trim());
    try {
      for (const { code, stdout, stderr } of results) {
        assert.equal(code, 0, stderr);
        assert.match(stdout, /^\d+\.\d+/);
      }
      const started = results.filter(({ stderr }) =>
        /^dvm: started the daemon \(process \d+, .*\)\n$/.test(stderr),
      );
      assert.ok(started.length >= 1, JSON.stringify(results));
    } finally {
      process.kill(pid, 'SIGTERM');
      await gone(pid);
      await rm(directory, { recursive: true });
    }
  },
);

/** A guest directory with the real kernel, and a shell script in the agent's place. */
async function guestDirectory(script: string): Promise<string> {
  const real = process.env['DVM_TEST_GUEST_DIR'] ?? join(import.meta.dirname, '../../build/guest');
  const directory = await mkdtemp('/var/tmp/dvm-e2e-guest-');
  await chmod(directory, 0o755);
  await cp(join(real, 'trimmed'), join(directory, 'trimmed'), { recursive: true, dereference: true });
  await writeFile(join(directory, 'initramfs.cpio'), await initramfsWith(script));
  return directory;
}

/** An initramfs whose first process is this shell script. */
async function initramfsWith(script: string): Promise<Buffer> {
  const executable = (path: string, content: Uint8Array) => ({ path, mode: 0o100755, content });
  return cpioArchive([
    directoryEntry('bin'),
    executable('bin/busybox', await readFile('/bin/busybox')),
    executable('init', Buffer.from(`#!/bin/busybox sh\n${script}\n`)),
  ]);
}

/** Another daemon, which is expected to end by itself. */
async function runDvmd(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(dvmdPath, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const [[code], stderr] = await Promise.all([exited, text(child.stderr)]);
  return { code, stderr };
}

/** Waits for the end of a process that is not our child: nothing tells. */
async function gone(pid: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (existsSync(`/proc/${pid}`)) {
    assert.ok(performance.now() < deadline, `process ${pid} does not end`);
    await delay(20);
  }
}
