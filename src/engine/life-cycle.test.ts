import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StartError } from '../errors/start-error.ts';
import { EngineFixture, never, specOf } from './testing/engine-fixture.ts';

const nothing = { sandboxes: 0, disks: 0, logs: 0, holders: 0 };

test('a container that was created, ran and was removed leaves nothing', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const { id, status, spec } = await engine.create(specOf({ cmd: ['echo', 'hello'] }));
  assert.equal(status, 'created');
  assert.match(spec.name, /^[a-z]+_[a-z]+$/);
  assert.equal(spec.hostname, id.slice(0, 12));
  const { exit } = engine.wait(id, 'next-exit', never);
  assert.equal(await engine.start(id, never), true);
  assert.equal((await exit).exitCode, 0);
  assert.equal(engine.get(id).status, 'exited');
  assert.equal(fixture.log(id), 'hello\n');
  await engine.settled();
  assert.equal(fixture.host.sandboxes.size, 0);
  assert.ok(fixture.runtime.calls.includes('remove'), 'the disk is written out');
  await engine.remove(id, { force: false, volumes: false });
  assert.deepEqual(fixture.leftovers(), nothing);
  assert.equal(fixture.world.containers.size + fixture.world.pods.size, 0);
  assert.throws(() => engine.get(id), { code: 'not_found', message: `No such container: ${id}` });
});

test('create, start, exit and removal of a --rm container take four transactions', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const { id } = await engine.create(specOf({ autoRemove: true }));
  const { exit } = engine.wait(id, 'removed', never);
  await engine.start(id, never);
  assert.equal((await exit).exitCode, 0);
  assert.throws(() => engine.get(id), { code: 'not_found' });
  await engine.settled();
  assert.ok(!fixture.runtime.calls.includes('remove'), 'nobody waits for a disk that is thrown away');
  assert.deepEqual(fixture.leftovers(), nothing);
  assert.ok(fixture.state.commits <= 5, `${fixture.state.commits} transactions`);
});

test('wait answers before the disk is written out, and start waits until it is', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const gate = Promise.withResolvers<undefined>();
  fixture.runtime.gates.set('remove', gate.promise);
  const id = await fixture.run();
  await engine.wait(id, 'not-running', never).exit;
  const starting = engine.start(id, never);
  assert.equal(fixture.runtime.calls.filter((call) => call === 'createSandbox').length, 1);
  gate.resolve(undefined);
  assert.equal(await starting, true);
  assert.equal(fixture.runtime.calls.filter((call) => call === 'createSandbox').length, 2);
});

test('events come in the order of Docker', async () => {
  const fixture = new EngineFixture();
  const news = fixture.record();
  const id = await fixture.run({ cmd: ['serve'], labels: { a: 'b' } });
  await fixture.engine.stop(id, {});
  await fixture.engine.remove(id, { force: false, volumes: false });
  await fixture.engine.settled();
  assert.deepEqual(
    news.events.map(({ action }) => action),
    ['create', 'start', 'kill', 'die', 'stop', 'destroy'],
  );
  const attributes = news.events.at(3)?.attributes ?? {};
  assert.equal(attributes['exitCode'], '143');
  assert.equal(attributes['image'], 'busybox');
  assert.equal(attributes['a'], 'b');
  news.stop();
});

test('starting one that runs changes nothing', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  assert.equal(await fixture.engine.start(id, never), false);
  assert.equal(fixture.host.sandboxes.size, 1);
});

test('a command that does not exist leaves it created, with exit code 127 and the reason', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const { id } = await engine.create(specOf({ cmd: ['nosuch'] }));
  await assert.rejects(
    engine.start(id, never),
    (error) => error instanceof StartError && error.exitCode === 127,
  );
  const view = engine.get(id);
  assert.equal(view.status, 'created');
  assert.equal(view.exit?.exitCode, 127);
  assert.match(view.exit.error, /nosuch/);
  assert.equal(fixture.host.sandboxes.size, 0);
});

test('a failed start of a --rm container removes it, and tells who waits', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const { id } = await engine.create(specOf({ cmd: ['nosuch'], autoRemove: true }));
  const { exit } = engine.wait(id, 'removed', never);
  await assert.rejects(engine.start(id, never), { name: 'StartError' });
  assert.equal((await exit).exitCode, 127);
  assert.deepEqual(fixture.leftovers(), nothing);
});

for (const step of ['createSandbox', 'startContainer', 'disk', 'commit']) {
  test(`a start that fails at ${step} undoes everything, and can be tried again`, async () => {
    const fixture = new EngineFixture();
    const { engine } = fixture;
    const { id } = await engine.create(specOf({ cmd: ['serve'] }));
    if (step === 'disk') fixture.disks.failing = true;
    else if (step === 'commit') fixture.state.failsFrom = fixture.state.commits + 2;
    else fixture.runtime.failing.add(step);
    const attached = engine.attach(id, { stdout: true, stderr: true, logs: false, stream: true }, {});
    await assert.rejects(engine.start(id, never), { name: 'EngineError' });
    await attached.done;
    assert.equal(fixture.host.sandboxes.size, 0);
    assert.equal(engine.get(id).status, 'created');
    fixture.disks.failing = false;
    fixture.state.failsFrom = Infinity;
    fixture.runtime.failing.clear();
    assert.equal(await engine.start(id, never), true);
    assert.equal(engine.get(id).exit, undefined);
  });
}

test('a start that is given up leaves nothing running', async () => {
  const fixture = new EngineFixture();
  const gate = Promise.withResolvers<undefined>();
  fixture.runtime.gates.set('createSandbox', gate.promise);
  const { id } = await fixture.engine.create(specOf({ cmd: ['serve'] }));
  const giveUp = new AbortController();
  const starting = fixture.engine.start(id, giveUp.signal);
  giveUp.abort();
  gate.resolve(undefined);
  await assert.rejects(starting, { name: 'AbortError' });
  assert.equal(fixture.host.sandboxes.size, 0);
});

test('stop sends the stop signal, then SIGKILL when the time is up', async () => {
  const fixture = new EngineFixture();
  const gentle = await fixture.run({ cmd: ['serve'] });
  assert.equal(await fixture.engine.stop(gentle, {}), true);
  assert.equal(fixture.engine.get(gentle).exit?.exitCode, 143);
  assert.equal(await fixture.engine.stop(gentle, {}), false);
  const stubborn = await fixture.run({ cmd: ['stubborn'], stopSignal: 'SIGINT' });
  const process = fixture.process(stubborn);
  assert.equal(await fixture.engine.stop(stubborn, { timeoutSeconds: 0 }), true);
  assert.deepEqual(process.signals, [2, 9]);
  assert.equal(fixture.engine.get(stubborn).exit?.exitCode, 137);
});

test('a guest that takes no signal loses its sandbox', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['stubborn'] });
  fixture.runtime.failing.add('signal');
  await fixture.engine.kill(id, 'KILL');
  const { status, exit } = fixture.engine.get(id);
  assert.equal(status, 'exited');
  assert.equal(exit?.exitCode, 137);
  assert.match(exit.error, /lost/);
});

test('kill sends any signal by name or number, and refuses what is none', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['stubborn'] });
  const process = fixture.process(id);
  for (const name of ['SIGUSR1', 'hup', '28', 'SIGRTMIN+3']) await engine.kill(id, name);
  assert.deepEqual(process.signals, [10, 1, 28, 37]);
  await assert.rejects(engine.kill(id, 'SIGNOPE'), {
    code: 'invalid_argument',
    message: 'Invalid signal: SIGNOPE',
  });
  await engine.kill(id, '');
  assert.equal(engine.get(id).status, 'exited');
  await assert.rejects(engine.kill(id, '9'), { code: 'failed_precondition', message: /is not running$/ });
});

test('a lost sandbox is an exit with its reason', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  const { exit } = fixture.engine.wait(id, 'not-running', never);
  fixture.host.loseSandboxes('the VMM was killed by SIGKILL');
  assert.equal((await exit).exitCode, 137);
  assert.match((await exit).error, /the VMM was killed by SIGKILL/);
});

test('pause freezes, unpause thaws, and each is refused where it makes no sense', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['serve'] });
  await engine.pause(id);
  assert.equal(engine.get(id).status, 'paused');
  assert.equal(fixture.host.container(id).frozen, true);
  await assert.rejects(engine.pause(id), { message: `container ${id} is already paused` });
  await assert.rejects(engine.start(id, never), { message: /try unpause instead/ });
  await assert.rejects(engine.remove(id, { force: false, volumes: false }), {
    message: `cannot remove container "${id}": container is paused and must be unpaused first`,
  });
  await engine.unpause(id);
  assert.equal(engine.get(id).status, 'running');
  await assert.rejects(engine.unpause(id), { message: `Container ${id} is not paused` });
  fixture.runtime.failing.add('freeze');
  await assert.rejects(engine.pause(id), { code: 'unavailable' });
  assert.equal(engine.get(id).status, 'running');
});

test('the stop signal and SIGKILL thaw a paused container, others wait until it is thawed', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['serve'] });
  await engine.pause(id);
  await engine.kill(id, 'USR1');
  assert.equal(engine.get(id).status, 'paused');
  await engine.stop(id, {});
  assert.equal(engine.get(id).exit?.exitCode, 143);
});

test('restart stops and starts, whatever --rm and the restart policy say', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['serve'], autoRemove: true });
  const before = fixture.process(id);
  await engine.restart(id, {});
  assert.notEqual(fixture.process(id), before);
  assert.equal(engine.get(id).status, 'running');
  assert.equal(engine.get(id).restartCount, 0);
});

test('a running container is removed only by force, and killed for it', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['stubborn'], name: 'web' });
  await assert.rejects(engine.remove('web', { force: false, volumes: false }), {
    code: 'failed_precondition',
    message:
      'cannot remove container "web": container is running: stop the container before removing or force remove',
  });
  assert.equal(engine.get(id).status, 'running');
  const { exit } = engine.wait(id, 'removed', never);
  await engine.remove('web', { force: true, volumes: false });
  assert.equal((await exit).exitCode, 137);
  assert.deepEqual(fixture.leftovers(), nothing);
});

test('a removal under way is not begun twice', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['stubborn'] });
  const removing = engine.remove(id, { force: true, volumes: false });
  assert.equal(engine.get(id).status, 'removing');
  await assert.rejects(engine.remove(id, { force: true, volumes: false }), {
    message: `removal of container ${id} is already in progress`,
  });
  await assert.rejects(engine.start(id, never));
  await removing;
});

test('a name is taken once, can be changed, and is refused in Docker’s words', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const { id } = await engine.create(specOf({ name: 'web' }));
  await assert.rejects(engine.create(specOf({ name: 'web' })), {
    code: 'already_exists',
    message: `Conflict. The container name "/web" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  });
  await assert.rejects(engine.create(specOf({ name: 'a b' })), {
    message: 'Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
  });
  assert.equal(fixture.world.holders.size, 1);
  engine.rename('web', 'shop');
  assert.equal(engine.get('shop').id, id);
  assert.equal(engine.get('/shop').id, id);
  assert.equal(engine.get(id.slice(0, 6)).id, id);
  assert.throws(() => engine.get('web'), { code: 'not_found' });
  assert.throws(() => engine.rename('shop', 'shop'), { code: 'invalid_argument' });
  await engine.create(specOf({ name: 'web' }));
  assert.throws(() => engine.rename('shop', 'web'), { code: 'already_exists' });
});

test('what cannot be is refused by create, and holds nothing', async () => {
  const { engine, world } = new EngineFixture();
  const bad = [
    specOf({ cmd: [] }),
    specOf({ stopSignal: 'SIGNOPE' }),
    specOf({ capAdd: ['EVERYTHING'] }),
    specOf({ workingDir: 'relative' }),
    specOf({ mounts: [{ type: 'tmpfs', target: 'tmp', options: [] }] }),
    specOf({ mounts: [{ type: 'tmpfs', target: '/tmp', options: ['sizee=1'] }] }),
    specOf({ rlimits: [{ resource: 'nofiles', soft: 1, hard: 1 }] }),
    specOf({ rlimits: [{ resource: 'nofile', soft: 2, hard: 1 }] }),
    specOf({ resources: { memoryMaxBytes: 1 << 20 } }),
    specOf({ hostname: 'not a name' }),
    specOf({ autoRemove: true, restartPolicy: { name: 'always' } }),
    specOf({ env: ['=x'] }),
    specOf({ storageSizeBytes: -1 }),
    specOf({ oomScoreAdj: 2000 }),
  ];
  for (const spec of bad) await assert.rejects(engine.create(spec), { code: 'invalid_argument' });
  await assert.rejects(engine.create(specOf({ imageId: 'sha256:none' })), { code: 'not_found' });
  assert.equal(world.holders.size, 0);
  assert.equal(world.containers.size, 0);
});

test('update changes limits in place and the restart policy', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['serve'], resources: { pidsMax: 10 } });
  await engine.update(id, { resources: { memoryMaxBytes: 64 << 20 }, restartPolicy: { name: 'always' } });
  const { spec } = engine.get(id);
  assert.deepEqual(spec.resources, { pidsMax: 10, memoryMaxBytes: 64 << 20 });
  assert.equal(spec.restartPolicy.name, 'always');
  assert.deepEqual(fixture.host.container(id).resources, spec.resources);
  fixture.runtime.failing.add('update');
  await assert.rejects(engine.update(id, { resources: { pidsMax: 20 } }), { code: 'unavailable' });
  assert.equal(engine.get(id).spec.resources.pidsMax, 10);
  await assert.rejects(engine.update(id, { resources: { memoryMaxBytes: 2 ** 40 } }), {
    code: 'failed_precondition',
  });
});

test('prune removes what does not run, by its filters', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const running = await fixture.run({ cmd: ['serve'] });
  const ended = await fixture.run({ labels: { keep: 'no' } });
  await engine.wait(ended, 'not-running', never).exit;
  const { id: kept } = await engine.create(specOf({ labels: { keep: 'yes' } }));
  const { ids, reclaimedBytes } = await engine.prune({ 'label!': ['keep=yes'] });
  assert.deepEqual(ids, [ended]);
  assert.equal(reclaimedBytes, 4096);
  assert.deepEqual((await engine.prune({ until: ['1h'] })).ids, []);
  assert.deepEqual((await engine.prune({})).ids, [kept]);
  assert.equal(engine.get(running).status, 'running');
  await assert.rejects(engine.prune({ nope: ['x'] }), { code: 'invalid_argument' });
});

test('wait for not-running answers at once for one that does not run', async () => {
  const fixture = new EngineFixture();
  const { id } = await fixture.engine.create(specOf());
  assert.equal((await fixture.engine.wait(id, 'not-running', never).exit).exitCode, 0);
  const giveUp = new AbortController();
  const { exit } = fixture.engine.wait(id, 'next-exit', giveUp.signal);
  giveUp.abort();
  await assert.rejects(exit, { code: 'canceled' });
});

test('one whose old sandbox could not be destroyed starts only when it is gone', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  fixture.runtime.failing.add('destroy');
  const id = await fixture.run();
  await engine.wait(id, 'not-running', never).exit;
  await engine.settled();
  await assert.rejects(engine.start(id, never), { code: 'unavailable' });
  fixture.runtime.failing.clear();
  assert.equal(await engine.start(id, never), true);
  await engine.settled();
  assert.equal(fixture.host.sandboxes.size, 0);
});

test('info counts containers by what they do', async () => {
  const fixture = new EngineFixture();
  await fixture.engine.create(specOf());
  await fixture.run({ cmd: ['serve'] });
  const paused = await fixture.run({ cmd: ['serve'] });
  await fixture.engine.pause(paused);
  assert.deepEqual(fixture.engine.info().containers, { running: 1, paused: 1, stopped: 1 });
  assert.equal(fixture.engine.imageUser(specOf().imageId)?.length, 64);
  assert.equal(fixture.engine.imageUser('sha256:other'), undefined);
});
