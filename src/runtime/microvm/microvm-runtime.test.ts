import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { globSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import {
  podRuntimeConformance,
  CollectingSink,
  containerSpec,
  exitOf,
  processSpec,
} from '../../../test/conformance/pod-runtime.ts';
import type { RuntimeUnderTest } from '../../../test/conformance/pod-runtime.ts';
import type { Sandbox } from '../../engine/ports/pod-runtime.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { FakeHost, FakeVmm } from './fake-vmm.ts';
import type { FakeMachine, FakeVmmOptions } from './fake-vmm.ts';
import type { GuestImage } from './guest-image.ts';
import { MicrovmRuntime } from './microvm-runtime.ts';
import type { MicrovmRuntimeOptions } from './microvm-runtime.ts';

const layers = [{ digest: `sha256:${'1'.repeat(64)}`, path: '/layers/1' }];

function image(hash: string): GuestImage {
  return {
    kernel: { path: `/kernels/${hash}`, kind: 'trimmed', release: '6.1.0', hash },
    initramfsPath: '/initramfs',
  };
}

interface World {
  readonly directory: string;
  readonly host: FakeHost;
  readonly warnings: string[];
  readonly runtimes: MicrovmRuntime[];
  kernelHash: string;
  vmm: FakeVmm;
  runtime(options?: Partial<MicrovmRuntimeOptions>, vmm?: FakeVmmOptions): MicrovmRuntime;
}

async function newWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-runtime-'));
  const host = new FakeHost();
  const world: World = {
    directory,
    host,
    warnings: [],
    runtimes: [],
    kernelHash: 'a',
    vmm: new FakeVmm({ host }),
    runtime: (options = {}, vmm = {}) => {
      world.vmm = new FakeVmm({ host, ...vmm });
      const runtime = new MicrovmRuntime({
        vmm: world.vmm,
        images: {
          current: () => image(world.kernelHash),
          custom: (path) => Promise.resolve(image(`custom${path}`)),
        },
        templatesDirectory: join(directory, 'templates'),
        stateDirectory: join(directory, 'state'),
        observer: { span: () => undefined, warn: (message) => world.warnings.push(message) },
        poolTarget: 0,
        hostMemory: () => ({ totalBytes: 8 * 2 ** 30, availableBytes: 4 * 2 ** 30, pressurePercent: 0 }),
        hostCpus: 4,
        quietMs: 0,
        ...options,
      });
      world.runtimes.push(runtime);
      return runtime;
    },
  };
  return world;
}

async function worldFor(t: TestContext): Promise<World> {
  const world = await newWorld();
  t.after(async () => {
    for (const runtime of world.runtimes) await runtime[Symbol.asyncDispose]();
    await rm(world.directory, { recursive: true });
  });
  return world;
}

function machineOf(world: World, sandbox: Sandbox): FakeMachine {
  const record = sandbox.record as { machine: { id: string } };
  const machine = world.host.machines.get(record.machine.id);
  assert.ok(machine);
  return machine;
}

const spec = () => ({ id: randomBytes(32).toString('hex'), hostname: 'pod' });

/** Resolves when `condition` holds; looks again whenever the event loop turns. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

podRuntimeConformance('microvm over the fake VMM', async () => {
  const world = await newWorld();
  let runtime = world.runtime();
  const host: RuntimeUnderTest = {
    get runtime() {
      return runtime;
    },
    layers,
    makeDisk: () => Promise.resolve(join(world.directory, 'disk')),
    restart: () => {
      runtime = world.runtime();
      return Promise.resolve(runtime);
    },
    leftovers: () => Promise.resolve([...world.host.machines.keys()]),
    crash: (sandbox) => machineOf(world, sandbox).die('segmentation fault'),
    [Symbol.asyncDispose]: async () => {
      await runtime[Symbol.asyncDispose]();
      await rm(world.directory, { recursive: true });
    },
  };
  return host;
});

describe('templates', () => {
  test('one is built for all who ask at once, and kept for the next daemon', async (t) => {
    const world = await worldFor(t);
    const first = world.runtime();
    const pods = await Promise.all([1, 2, 3].map(() => first.createSandbox(spec(), t.signal)));
    assert.deepEqual(world.vmm.calls.filter((call) => call === 'bootTemplateSource').length, 1);
    assert.equal(first.info().templates, 1);
    for (const pod of pods) {
      assert.equal(pod.origin.how, 'template');
      await pod.destroy();
    }
    await first[Symbol.asyncDispose]();
    const second = world.runtime();
    await (await second.createSandbox(spec(), t.signal)).destroy();
    assert.deepEqual(world.vmm.calls, ['clone']);
  });

  test('one whose files changed is built anew', async (t) => {
    const world = await worldFor(t);
    await (await world.runtime().createSandbox(spec(), t.signal)).destroy();
    const [state] = globSync(join(world.directory, 'templates/*/state'));
    assert.ok(state);
    await writeFile(state, 'PREPARED');
    await (await world.runtime().createSandbox(spec(), t.signal)).destroy();
    assert.deepEqual(world.vmm.calls, ['bootTemplateSource', 'clone']);
  });

  test('a failed build is told with its reason, leaves nothing, and is tried again', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime();
    world.vmm.failures.set('bootTemplateSource', new EngineError('unavailable', 'no such machine type'));
    await assert.rejects(runtime.createSandbox(spec(), t.signal), {
      code: 'unavailable',
      message: /cannot build a template.*no such machine type/,
    });
    assert.equal(runtime.info().templates, 0);
    assert.equal(world.host.machines.size, 0);
    await (await runtime.createSandbox(spec(), t.signal)).destroy();
  });

  test('one that cannot be cloned is built anew, once', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime();
    await (await runtime.createSandbox(spec(), t.signal)).destroy();
    for (const file of globSync(join(world.directory, 'templates/*/memory'))) await rm(file);
    await (await runtime.createSandbox(spec(), t.signal)).destroy();
    assert.equal(world.vmm.calls.filter((call) => call === 'bootTemplateSource').length, 2);
    world.vmm.clone = () => Promise.reject(new EngineError('unavailable', 'no clones today'));
    await assert.rejects(runtime.createSandbox(spec(), t.signal), { message: 'no clones today' });
    assert.equal(world.host.machines.size, 0);
  });

  test('those of another kernel go when nobody uses them', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime();
    const old = await runtime.createSandbox(spec(), t.signal);
    world.kernelHash = 'b';
    const current = await runtime.createSandbox(spec(), t.signal);
    assert.equal(runtime.info().templates, 2);
    await runtime.removeStrays(new Set([old.id, current.id]));
    assert.equal(runtime.info().templates, 2, 'a machine runs from it');
    await old.destroy();
    await runtime.removeStrays(new Set([current.id]));
    assert.equal(runtime.info().templates, 1);
    await current.destroy();
  });

  test('a guest that never gets ready: the error has the end of its console', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime({ timeouts: { bootMs: 20 } });
    const boot = world.vmm.bootTemplateSource.bind(world.vmm);
    world.vmm.bootTemplateSource = async (...args) => {
      const machine = await boot(...args);
      machine.connectChannel = () => Promise.resolve(duplexPair()[0]);
      return machine;
    };
    await assert.rejects(runtime.createSandbox(spec(), t.signal), {
      code: 'deadline_exceeded',
      message: /waited 20 ms for the guest to get ready.*\n.*the fake guest says nothing/,
    });
    assert.equal(world.host.machines.size, 0);
  });
});

describe('sandboxes', () => {
  test('eight clones of one template have nothing in common', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime();
    const pods = await Promise.all(Array.from({ length: 8 }, () => runtime.createSandbox(spec(), t.signal)));
    const identities = pods.map((pod) => machineOf(world, pod).agent.identity);
    for (const key of ['entropy', 'machineId', 'mac', 'bootId'] as const) {
      assert.equal(new Set(identities.map((identity) => identity?.[key])).size, 8, key);
    }
    for (const identity of identities) {
      assert.ok(identity);
      assert.ok(identity.entropy.length >= 128, '64 bytes');
      assert.ok(identity.clockErrorMs < 50);
      assert.equal(Number.parseInt(identity.mac.slice(0, 2), 16) & 0x03, 0x02);
    }
    const uids = world.host.machines.values().map((machine) => machine.spec.limits.uid);
    assert.equal(new Set(uids).size, 8);
    await Promise.all(pods.map((pod) => pod.destroy()));
  });

  test('more memory or CPUs, or another kernel, is another shape', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime();
    const { defaultMemoryBytes } = runtime.info();
    const plain = await runtime.createSandbox({ ...spec(), memoryBytes: 1 << 20 }, t.signal);
    assert.equal(plain.memoryBytes, defaultMemoryBytes);
    const large = await runtime.createSandbox(
      { ...spec(), memoryBytes: defaultMemoryBytes, vcpus: 3 },
      t.signal,
    );
    assert.ok(large.memoryBytes > defaultMemoryBytes);
    assert.equal(large.vcpus, 3);
    const custom = await runtime.createSandbox({ ...spec(), kernelPath: '/my/kernel' }, t.signal);
    assert.equal(machineOf(world, custom).spec.shape.kernel.hash, 'custom/my/kernel');
    assert.equal(runtime.info().templates, 3);
    await assert.rejects(runtime.createSandbox({ ...spec(), memoryBytes: 2 ** 40 }, t.signal), EngineError);
    await Promise.all([plain, large, custom].map((pod) => pod.destroy()));
  });

  test('a VMM that cannot clone boots', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime({ poolTarget: 2 }, { capabilities: { clone: false } });
    runtime.startPool();
    await using pod = await runtime.createSandbox(spec(), t.signal);
    assert.equal(pod.origin.how, 'boot');
    assert.deepEqual(world.vmm.calls, ['boot']);
    assert.equal(runtime.info().pool.target, 0);
  });

  test('a guest that breaks the protocol loses its machine', async (t) => {
    const world = await worldFor(t);
    const pod = await world.runtime().createSandbox(spec(), t.signal);
    machineOf(world, pod).agent.sendRaw(randomBytes(100));
    assert.match(await pod.lost, /guest channel/);
    assert.equal(world.host.machines.size, 0);
  });

  test('the words of a VMM that dies are the reason', async (t) => {
    const world = await worldFor(t);
    const pod = await world.runtime().createSandbox(spec(), t.signal);
    machineOf(world, pod).die('qemu: out of file descriptors');
    assert.match(await pod.lost, /SIGSEGV: qemu: out of file descriptors/);
  });

  test('disks: shared layers once, gone with their last user, too many are refused', async (t) => {
    const world = await worldFor(t);
    await using pod = await world.runtime().createSandbox(spec(), t.signal);
    const { disks } = machineOf(world, pod);
    const start = (extra: number) => {
      const more = Array.from({ length: extra }, (_, i) => ({
        digest: `sha256:${String(i + 2)
          .repeat(64)
          .slice(0, 64)}`,
        path: `/layers/${i + 2}`,
      }));
      const request = containerSpec([...layers, ...more, ...layers], processSpec(['sleep', '1']), {
        writablePath: '/disk',
      });
      return pod.startContainer(request, new CollectingSink(), t.signal);
    };
    const first = await start(1);
    const second = await start(2);
    assert.equal(disks.size, 5, 'three layers, two writable disks');
    for (const { serial, readonly } of disks.values()) {
      assert.match(serial, /^[A-Za-z0-9_-]{1,20}$/);
      assert.equal(readonly, serial.startsWith('L-'));
    }
    await first.remove();
    assert.equal(disks.size, 4);
    await assert.rejects(start(8), { code: 'resource_exhausted' });
    assert.equal(disks.size, 4);
    await second.remove();
    assert.equal(disks.size, 0);
  });

  test('a failed start unplugs what it plugged in', async (t) => {
    const world = await worldFor(t);
    await using pod = await world.runtime().createSandbox(spec(), t.signal);
    const request = containerSpec(layers, processSpec(['nothing-like-it']), { writablePath: '/disk' });
    await assert.rejects(pod.startContainer(request, new CollectingSink(), t.signal));
    assert.equal(machineOf(world, pod).disks.size, 0);
  });

  test('letting go of them leaves them running', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime();
    const pod = await runtime.createSandbox(spec(), t.signal);
    await runtime[Symbol.asyncDispose]();
    assert.equal(world.host.machines.size, 1);
    const next = world.runtime();
    const again = await next.resumeSandbox(pod.record, t.signal);
    await again?.destroy();
    assert.equal(world.host.machines.size, 0);
  });

  test('a record of another version is refused, not guessed', async (t) => {
    const world = await worldFor(t);
    await assert.rejects(world.runtime().resumeSandbox({ version: 99 }, t.signal), { code: 'data_loss' });
  });
});

describe('the pool', () => {
  const rehearsal = {
    layerPath: '/rehearsal.erofs',
    args: ['cat'],
    execArgs: ['echo', 'ready'],
    makeDisk: (path: string) => writeFile(path, ''),
  };

  test('gives machines away, named and in time, and fills itself again', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime({ poolTarget: 2, rehearsal });
    runtime.startPool();
    await until(() => runtime.info().pool.ready === 2);
    const pod = await runtime.createSandbox(spec(), t.signal);
    assert.equal(pod.origin.how, 'pool');
    const sink = new CollectingSink();
    const container = await pod.startContainer(
      containerSpec(layers, processSpec(['hostname'])),
      sink,
      t.signal,
    );
    await exitOf(container.process);
    assert.equal(sink.text(), 'pod\n');
    await until(() => runtime.info().pool.ready === 2);
    await pod.destroy();
    assert.deepEqual(world.warnings, []);
  });

  test('a rehearsal leaves no disk, container or process in the machine', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime({ poolTarget: 1, rehearsal });
    runtime.startPool();
    await until(() => runtime.info().pool.ready === 1);
    const [machine] = world.host.machines.values();
    assert.ok(machine);
    assert.equal(machine.disks.size, 0);
    assert.equal(machine.agent.containers.length, 0);
    assert.equal(machine.agent.processCount, 0);
    assert.equal(machine.agent.released.length, 2, 'it did take place');
  });

  test('one that dies while it waits is replaced', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime({ poolTarget: 1 });
    runtime.startPool();
    await until(() => runtime.info().pool.ready === 1);
    const [machine] = world.host.machines.values();
    machine?.die('crash');
    await until(() => runtime.info().pool.ready === 1 && !world.host.machines.has(machine?.id ?? ''));
  });

  test('is not filled while the host is short of memory', async (t) => {
    const world = await worldFor(t);
    let looked = 0;
    const runtime = world.runtime({
      poolTarget: 2,
      hostMemory: () => {
        looked++;
        return { totalBytes: 8 * 2 ** 30, availableBytes: 2 ** 28, pressurePercent: 0 };
      },
    });
    runtime.startPool();
    await until(() => looked >= 2);
    await using pod = await runtime.createSandbox(spec(), t.signal);
    assert.equal(pod.origin.how, 'template');
    assert.equal(runtime.info().pool.ready, 0);
  });

  test('a machine with an old kernel is not given away', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime({ poolTarget: 1 });
    runtime.startPool();
    await until(() => runtime.info().pool.ready === 1);
    world.kernelHash = 'b';
    const pod = await runtime.createSandbox(spec(), t.signal);
    assert.equal(pod.origin.how, 'template');
    await until(() =>
      [...world.host.machines.values()].every((machine) => machine.spec.shape.kernel.hash === 'b'),
    );
    await pod.destroy();
  });

  test('what it holds is no stray, and goes with the runtime', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime({ poolTarget: 2 });
    runtime.startPool();
    await until(() => runtime.info().pool.ready === 2);
    await runtime.removeStrays(new Set());
    assert.equal(world.host.machines.size, 2);
    await runtime[Symbol.asyncDispose]();
    assert.equal(world.host.machines.size, 0);
  });

  test('a failing refill is reported and does not end the pool', async (t) => {
    const world = await worldFor(t);
    const runtime = world.runtime({ poolTarget: 1 });
    world.vmm.failures.set('bootTemplateSource', new EngineError('unavailable', 'not now'));
    runtime.startPool();
    await until(() => world.warnings.includes('cannot fill the pool'));
    await until(() => runtime.info().pool.ready === 1);
  });
});
