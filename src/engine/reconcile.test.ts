import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeSandbox } from './testing/fake-host.ts';
import { FakeLog } from './testing/fake-stores.ts';
import { EngineFixture, collector, execOf, never, specOf } from './testing/engine-fixture.ts';

const nothing = { sandboxes: 0, disks: 0, logs: 0, holders: 0 };
const live = { stdout: true, stderr: true, logs: true, stream: true };

test('a container runs on while there is no daemon: every byte once, and its exit code', async () => {
  const fixture = new EngineFixture();
  fixture.host.programs.set('count', async (process) => {
    for (let number = 0; number < 100; number++) {
      await process.print(`${number}\n`);
      if (number === 30) await process.nextSignal();
    }
    return 5;
  });
  const id = await fixture.run({ cmd: ['count'] });
  const process = fixture.process(id);
  while (!fixture.log(id).endsWith('30\n')) await new Promise(setImmediate);
  fixture.killDaemon();
  process.signals.push(10);
  process.changed();
  await process.exited.promise;
  await fixture.startDaemon();
  const { exitCode, error } = await fixture.engine.wait(id, 'not-running', never).exit;
  assert.deepEqual({ exitCode, error }, { exitCode: 5, error: '' });
  assert.equal(fixture.log(id), Array.from({ length: 100 }, (_, number) => `${number}\n`).join(''));
  await fixture.engine.settled();
  assert.equal(fixture.host.sandboxes.size, 0);
});

test('one that still runs can be used as before', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['cat'], openStdin: true, name: 'shell' });
  const running = fixture.engine.execCreate(id, execOf({ args: ['serve'] }));
  const ended = fixture.engine.execCreate(id, execOf({ args: ['serve'] }));
  for (const exec of [running, ended]) await fixture.engine.execStart(exec.id, { detach: true }, {}, never);
  fixture.killDaemon();
  fixture.host.processes().at(-1)?.exit({ exitCode: 9, oomKilled: false, exitedAt: new Date() });
  await fixture.startDaemon();
  const { engine } = fixture;
  assert.equal(engine.get('shell').status, 'running');
  while (engine.execInspect(ended.id).running) await new Promise(setImmediate);
  assert.equal(engine.execInspect(ended.id).exitCode, 9);
  assert.equal(engine.execInspect(running.id).running, true);
  const client = collector();
  engine.attach('shell', live, {
    ...client.streams,
    stdin: (async function* () {
      await Promise.resolve();
      yield Buffer.from('hello again');
    })(),
  });
  while (client.text() !== 'hello again') await new Promise(setImmediate);
  const exec = engine.execCreate('shell', execOf());
  await (
    await engine.execStart(exec.id, { detach: false }, collector().streams, never)
  ).done;
  assert.equal(engine.execInspect(exec.id).exitCode, 0);
  await engine.remove('shell', { force: true, volumes: false });
  assert.deepEqual(fixture.leftovers(), nothing);
});

test('an exec that the guest does not have any more is reported as ended', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  const exec = fixture.engine.execCreate(id, execOf({ args: ['serve'] }));
  await fixture.engine.execStart(exec.id, { detach: true }, {}, never);
  fixture.killDaemon();
  fixture.host.container(id).processes.delete(2);
  await fixture.startDaemon();
  assert.equal(fixture.engine.execInspect(exec.id).exitCode, 255);
  assert.deepEqual(fixture.world.containers.get(id)?.execs, []);
});

test('one whose sandbox died meanwhile is found dead, and says so', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  fixture.killDaemon();
  fixture.host.loseSandboxes('power cut');
  await fixture.startDaemon();
  const { status, exit, pid } = fixture.engine.get(id);
  assert.equal(status, 'exited');
  assert.equal(pid, 0);
  assert.equal(exit?.exitCode, 255);
  assert.match(exit.error, /while no daemon ran/);
});

test('a sandbox that cannot be reached is given up and removed', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  fixture.killDaemon();
  const { host } = fixture;
  const before = [...host.sandboxes.keys()];
  host.container(id).processes.clear();
  await fixture.startDaemon();
  assert.equal(fixture.engine.get(id).exit?.exitCode, 255);
  assert.equal(host.sandboxes.has(before[0] ?? ''), false);
});

test('a paused one stays paused', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  await fixture.engine.pause(id);
  await fixture.restartDaemon();
  assert.equal(fixture.engine.get(id).status, 'paused');
  assert.equal(fixture.host.container(id).frozen, true);
});

test('--rm holds when the end comes while there is no daemon', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'], autoRemove: true });
  fixture.killDaemon();
  fixture.host.container(id).main.exit({ exitCode: 0, oomKilled: false, exitedAt: new Date() });
  await fixture.startDaemon();
  await fixture.engine.settled();
  while (fixture.world.containers.size > 0) await new Promise(setImmediate);
  await fixture.engine.settled();
  assert.deepEqual(fixture.leftovers(), nothing);
});

test('what belongs to nobody is removed', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  fixture.killDaemon();
  fixture.world.disks.add('stray');
  fixture.world.holders.add('stray');
  fixture.world.logs.set('stray', new FakeLog());
  fixture.host.sandboxes.set('stray', new FakeSandbox('stray'));
  await fixture.startDaemon();
  assert.deepEqual(fixture.leftovers(), { sandboxes: 1, disks: 1, logs: 1, holders: 1 });
  assert.equal(fixture.engine.get(id).status, 'running');
});

test('restart policies hold: always also after a stop, unless-stopped not, no never', async () => {
  const fixture = new EngineFixture();
  const policies = ['no', 'always', 'unless-stopped'] as const;
  for (const name of policies) {
    await fixture.run({ cmd: ['serve'], name: `runs-${name}`, restartPolicy: { name } });
    await fixture.run({ cmd: ['serve'], name: `stopped-${name}`, restartPolicy: { name } });
    await fixture.engine.stop(`stopped-${name}`, {});
  }
  await fixture.engine.create(specOf({ name: 'never-started', restartPolicy: { name: 'always' } }));
  fixture.killDaemon();
  fixture.host.loseSandboxes('reboot');
  await fixture.startDaemon();
  const expected = {
    'runs-no': 'exited',
    'stopped-no': 'exited',
    'runs-always': 'running',
    'stopped-always': 'running',
    'runs-unless-stopped': 'running',
    'stopped-unless-stopped': 'exited',
    'never-started': 'created',
  };
  const statuses = () =>
    Object.fromEntries(Object.keys(expected).map((name) => [name, fixture.engine.get(name).status]));
  while (Object.values(statuses()).includes('restarting'))
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(statuses(), expected);
});

test('ids, names and order are the same after a restart', async () => {
  const fixture = new EngineFixture();
  const ids: string[] = [];
  for (const name of ['a1', 'b2', 'c3']) ids.unshift((await fixture.engine.create(specOf({ name }))).id);
  await fixture.restartDaemon();
  ids.unshift((await fixture.engine.create(specOf({ name: 'd4' }))).id);
  assert.deepEqual(
    fixture.engine.list({ all: true, filters: {} }).map(({ id }) => id),
    ids,
  );
  await assert.rejects(fixture.engine.create(specOf({ name: 'b2' })), { code: 'already_exists' });
});
