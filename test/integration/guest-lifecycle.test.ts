/** The machine and its containers from first to last: identity, limits, freezing, numbers, deletion, the end. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { containerSpec, GuestError, processSpec } from './guest-client.ts';
import { type Guest, startGuest } from './guest-fixture.ts';

const noLimits = containerSpec(1, processSpec(1, [])).resources;
const now = (): bigint => BigInt(Date.now()) * 1_000_000n;
const identity = {
  type: 'personalise',
  entropy: Buffer.alloc(32, 3),
  wallClockNs: 1_900_000_000_000_000_000n,
  hostname: 'unique',
  machineId: 'fedcba9876543210'.repeat(2),
  mac: Buffer.from([2, 0x44, 0x56, 0x4d, 9, 9]),
} as const;

async function refusedWith(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (thrown) {
    if (thrown instanceof GuestError) return thrown.reply.code;
    throw thrown;
  }
  throw new Error('it was not refused');
}

describe('a machine', () => {
  it('is made unique once, with clock, names and address, and ends when told', async () => {
    await using guest = await startGuest({ personalised: false });
    const { client } = guest;
    assert.equal(client.hello?.personalised, false);
    assert.equal(await refusedWith(client.request({ ...identity, entropy: Buffer.alloc(31) })), 'invalid');
    assert.equal(await refusedWith(client.request({ ...identity, machineId: 'short' })), 'invalid');
    const { bootId } = await client.request(identity);
    assert.match(bootId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(await refusedWith(client.request(identity)), 'exists');
    const { wallClockNs } = await client.request({ type: 'ping' });
    assert.ok(wallClockNs - identity.wallClockNs < 5_000_000_000n);
    const { stdout } = await guest.run(
      'hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id /sys/class/net/eth0/address; date +%Y',
    );
    assert.deepEqual(stdout.trim().split('\n'), [
      'unique',
      identity.machineId,
      bootId,
      '02:44:56:4d:09:09',
      '2030',
    ]);
    await client.request({ type: 'setClock', wallClockNs: now() });
    await client.request({ type: 'setHostname', hostname: 'renamed' });
    assert.equal((await guest.run('hostname')).stdout, 'renamed\n');

    await guest.upper('last');
    const writer = await guest.start(
      ['sh', '-c', 'echo precious > /file; echo ok; sleep 1000'],
      {},
      { upper: 'last' },
    );
    await client.until(() => client.process(writer.process).output.stdout.includes('ok'));
    await client.request({ type: 'shutdown' });
    await guest.machine.gone;
    assert.match(guest.workspace.debugfs('last', 'cat /upper/file'), /^precious/);
  });

  it('gives different random bytes for different entropy only', async () => {
    // From the same boot image the generator's state differs anyway; that it takes the seed is seen by its being ready.
    await using guest = await startGuest({ personalised: false });
    await guest.client.request({ ...identity, mac: Buffer.alloc(0) });
    const random = 'head -c 16 /dev/urandom | hexdump -v -e \'/1 "%02x"\'';
    const one = await guest.run(random);
    const two = await guest.run(random);
    assert.match(one.stdout, /^[0-9a-f]{32}$/);
    assert.notEqual(one.stdout, two.stdout);
  });

  it('can be a template: quiet, with its caches dropped', async () => {
    await using guest = await startGuest({ personalised: false });
    await guest.run('true');
    const before = await guest.client.request({ type: 'sandboxStats' });
    await guest.client.request({ type: 'prepareTemplate' });
    const after = await guest.client.request({ type: 'sandboxStats' });
    assert.ok(after.pageCache <= before.pageCache && after.pageCache < 16n << 20n);
    assert.ok(after.agentRss < 2n << 20n, `the agent has ${after.agentRss} bytes`);
    assert.ok(after.memoryFree > 400n << 20n);
    await guest.machine.processorTicks(3000);
    const used = await guest.machine.processorTicks(10_000);
    assert.ok(used <= 5, `${used} ticks of 10 ms in 10 s`);
  });

  it('survives a container that takes all the machine’s memory', async () => {
    await using guest = await startGuest({ memoryMb: 192 });
    const { container, process } = await guest.start([
      'sh',
      '-c',
      'x=$(head -c 2000m /dev/zero | tr "\\0" x)',
    ]);
    const { exit } = await guest.client.drained(process);
    assert.equal(exit?.exitCode, 137);
    await guest.remove(container, process);
    assert.equal((await guest.run('echo alive')).stdout, 'alive\n');
  });
});

describe('a container’s life', () => {
  let guest: Guest;
  before(async () => (guest = await startGuest({ vcpus: 2 })));
  after(async () => await guest[Symbol.asyncDispose]());

  it('is stopped by frost and goes on afterwards', async () => {
    const { container, process } = await guest.start(['sh', '-c', 'while :; do echo tick; sleep 0.02; done']);
    const record = guest.client.process(process);
    await guest.client.until(() => record.output.stdout.length > 20);
    await guest.client.request({ type: 'freeze', container, frozen: true });
    await guest.client.request({ type: 'ping' });
    const frozenAt = record.output.stdout.length;
    await guest.machine.processorTicks(300);
    assert.equal(record.output.stdout.length, frozenAt);
    await guest.client.request({ type: 'freeze', container, frozen: false });
    await guest.client.until(() => record.output.stdout.length > frozenAt + 20);
    await guest.client.request({ type: 'freeze', container, frozen: true });
    await guest.remove(container, process);
  });

  it('ends when its memory does, and says why; the machine lives on', async () => {
    const resources = { ...noLimits, memoryMax: 32n << 20n };
    const { container, process } = await guest.start(
      ['dd', 'if=/dev/zero', 'of=/dev/shm/x', 'bs=1M'],
      {},
      { resources },
    );
    const { exit, output } = await guest.client.drained(process);
    assert.deepEqual([exit?.exitCode, exit?.signal, exit?.oomKilled], [137, 9, true]);
    assert.equal(output.stdout.length, 0);
    await guest.remove(container, process);
  });

  it('keeps a fork bomb within its limit', async () => {
    const resources = { ...noLimits, pidsMax: 40n };
    const bomb = 'f() { f & f & }; f 2>/dev/null; sleep 1000';
    const { container, process } = await guest.start(['sh', '-c', bomb], {}, { resources });
    await guest.client.until(() => true);
    for (let i = 0; i < 20; i++) await guest.client.request({ type: 'ping' });
    const stats = await guest.client.request({ type: 'containerStats', container });
    assert.ok(stats.pidsCurrent <= 40n && stats.pidsMax === 40n);
    await guest.remove(container, process);
  });

  it('has numbers, and a list of its processes', async () => {
    const { container, process } = await guest.start(
      ['sh', '-c', 'sleep 1000 & printf "\\377" >/tmp/x; head -c 20m /dev/zero | sha256sum; echo done; wait'],
      { user: 'web', tty: true, cwd: '/tmp' },
      { mounts: [{ type: 'tmpfs', source: '', target: '/tmp', flags: 0n, options: 'mode=1777' }] },
    );
    await guest.client.until(() => guest.client.process(process).output.stdout.includes('done'));
    const stats = await guest.client.request({ type: 'containerStats', container });
    assert.ok(stats.cpuUsageNs > 10_000_000n && stats.memoryCurrent > 100_000n && stats.pidsCurrent === 2n);
    const { processes } = await guest.client.request({ type: 'top', container });
    assert.deepEqual(processes.map(({ user, uid, tty, command }) => ({ user, uid, tty, command })).at(-1), {
      user: 'web',
      uid: 33,
      tty: 'pts/0',
      command: 'sleep 1000',
    });
    assert.ok(processes.every((one) => now() - one.startedAtNs < 60_000_000_000n && one.rssBytes > 0n));
    await guest.remove(container, process);
  });

  it('takes new limits while it runs, and refuses impossible ones', async () => {
    const { container, process } = await guest.start(['sleep', '1000']);
    const resources = { ...noLimits, memoryMax: 64n << 20n, pidsMax: 7n, cpuQuotaUs: 50_000n };
    await guest.client.request({ type: 'updateResources', container, resources });
    const stats = await guest.client.request({ type: 'containerStats', container });
    assert.deepEqual([stats.memoryMax, stats.pidsMax], [64n << 20n, 7n]);
    const impossible = { ...noLimits, cpuWeight: 20_000 };
    assert.equal(
      await refusedWith(guest.client.request({ type: 'updateResources', container, resources: impossible })),
      'invalid',
    );
    await guest.remove(container, process);
  });

  it('signals one process or all of them', async () => {
    const script =
      'sh -c "trap \'echo child; exit\' USR1; echo ready; while :; do sleep 0.02; done" & trap "echo parent" USR1; while :; do sleep 0.02; done';
    const { container, process } = await guest.start(['sh', '-c', script]);
    const record = guest.client.process(process);
    await guest.client.until(() => record.output.stdout.includes('ready'));
    await guest.client.request({ type: 'signal', container, process, signal: 10, all: true });
    await guest.client.until(() => /child[^]*parent|parent[^]*child/.test(record.output.stdout.toString()));
    await guest.client.request({ type: 'signal', container, process, signal: 9, all: false });
    assert.equal((await guest.client.drained(process)).exit?.signal, 9);
    assert.equal(
      await refusedWith(guest.client.request({ type: 'signal', container, process, signal: 9, all: false })),
      'notRunning',
    );
    assert.equal(
      await refusedWith(
        guest.client.request({ type: 'exec', container, process: processSpec(guest.handle(), ['true']) }),
      ),
      'notRunning',
    );
    await guest.remove(container, process);
  });

  it('tells the exit of an exec, and that of those its end took along', async () => {
    const { container, process } = await guest.start(['sleep', '1000']);
    assert.equal((await guest.exec(container, 'exit 42')).code, 42);
    const held = guest.handle();
    await guest.client.request({ type: 'exec', container, process: processSpec(held, ['sleep', '1001']) });
    await guest.client.request({ type: 'signal', container, process, signal: 9, all: false });
    assert.equal((await guest.client.drained(held)).exit?.exitCode, 137);
    await guest.client.request({ type: 'releaseProcess', process: held });
    await guest.remove(container, process);
  });

  it('lets go of its disks, which can come back with something else on them', async () => {
    await guest.layer('movable', { 'etc/which': 'first\n' });
    await guest.upper('mine');
    const layers = [{ serial: 'movable' }];
    const running = await guest.start(
      ['sh', '-c', 'cat /etc/which; sleep 1000'],
      {},
      { layers, upper: 'mine' },
    );
    assert.equal(
      await refusedWith(guest.client.request({ type: 'releaseDisk', serial: 'movable' })),
      'invalid',
    );
    assert.equal(await refusedWith(guest.client.request({ type: 'releaseDisk', serial: 'mine' })), 'invalid');
    await guest.remove(running.container, running.process);
    for (const serial of ['movable', 'mine', 'never-was'])
      await guest.client.request({ type: 'releaseDisk', serial });
    await guest.machine.unplug('movable');
    await guest.machine.plug({
      serial: 'movable',
      path: guest.workspace.erofs('other', { 'etc/which': 'second\n' }),
      readonly: true,
    });
    assert.equal((await guest.run('cat /etc/which', {}, { layers, upper: 'mine' })).stdout, 'second\n');
  });

  it('is deleted in any state, and leaves nothing behind', async () => {
    const count = async (): Promise<string> =>
      (await guest.run('cat /proc/mounts | wc -l; ls /sys/fs/cgroup | grep -c ^0')).stdout;
    const before = await count();
    const waiting = guest.start(['true'], {}, { layers: [{ serial: 'will-not-come' }] });
    const refused = refusedWith(waiting);
    await guest.client.request({ type: 'deleteContainer', container: guest.lastHandle - 1 });
    assert.equal(await refused, 'notRunning');
    for (let i = 0; i < 10; i++) {
      const { container, process } = await guest.start(['sh', '-c', i % 2 ? 'exit 1' : 'sleep 1000']);
      await guest.client.request({ type: 'deleteContainer', container });
      await guest.client.drained(process);
      await guest.client.request({ type: 'releaseProcess', process });
    }
    assert.equal(await count(), before);
    const { hello } = guest.client;
    assert.ok(hello);
  });
});
