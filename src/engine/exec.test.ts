import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineFixture, collector, execOf, never } from './testing/engine-fixture.ts';

test('an exec runs with the container’s defaults, and its exit code is there when its output ends', async () => {
  const fixture = new EngineFixture();
  const { engine, host } = fixture;
  host.programs.set('probe', async (process) => {
    await process.print('probed');
    return 7;
  });
  const id = await fixture.run({
    cmd: ['serve'],
    env: ['A=1', 'B=2'],
    user: 'app',
    workingDir: '/srv',
    capDrop: ['ALL'],
  });
  const exec = engine.execCreate(id, execOf({ args: ['probe'], env: ['B=3'] }));
  assert.deepEqual(engine.get(id).execIds, []);
  const client = collector();
  const attachment = await engine.execStart(exec.id, { detach: false }, client.streams, never);
  await attachment.done;
  assert.equal(client.text(), 'probed');
  assert.deepEqual(
    { ...engine.execInspect(exec.id), spec: 0, pid: 0 },
    {
      id: exec.id,
      containerId: id,
      spec: 0,
      running: false,
      exitCode: 7,
      pid: 0,
    },
  );
  await engine.settled();
  const process = host.processes().find(({ spec }) => spec.args[0] === 'probe');
  assert.equal(process?.released, true);
  assert.equal(process.spec.user, 'app');
  assert.equal(process.spec.cwd, '/srv');
  assert.deepEqual(process.spec.capabilities, []);
  assert.ok(process.spec.env.includes('A=1') && process.spec.env.includes('B=3'));
  await assert.rejects(engine.execStart(exec.id, { detach: false }, {}, never), {
    message: `exec command ${exec.id} has already run`,
  });
});

test('what cannot be is refused in Docker’s words', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['serve'] });
  const exec = engine.execCreate(id, execOf({ args: ['serve'] }));
  assert.throws(() => engine.execCreate(id, execOf({ args: [] })), { code: 'invalid_argument' });
  await engine.pause(id);
  assert.throws(() => engine.execCreate(id, execOf()), {
    code: 'failed_precondition',
    message: `Container ${id} is paused, unpause the container before exec`,
  });
  await engine.unpause(id);
  await engine.execStart(exec.id, { detach: true }, {}, never);
  await assert.rejects(engine.execStart(exec.id, { detach: true }, {}, never), {
    message: `exec command ${exec.id} is already running`,
  });
  await engine.stop(id, {});
  assert.throws(() => engine.execCreate(id, execOf()), { message: `container ${id} is not running` });
  assert.throws(() => engine.execInspect('f'.repeat(64)), { code: 'not_found' });
});

test('a command that cannot be started is told, with its exit code', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  const exec = fixture.engine.execCreate(id, execOf({ args: ['nosuch'] }));
  await assert.rejects(fixture.engine.execStart(exec.id, { detach: false }, {}, never), {
    name: 'StartError',
  });
  assert.equal(fixture.engine.execInspect(exec.id).exitCode, 127);
  assert.equal(fixture.engine.execInspect(exec.id).running, false);
});

test('a detached exec throws its output away', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  const exec = fixture.engine.execCreate(id, execOf({ args: ['stubborn'], attachStdin: true }));
  await fixture.engine.execStart(exec.id, { detach: true }, {}, never);
  const process = fixture.host.processes().at(-1);
  assert.equal(process?.spec.discardOutput, true);
  assert.equal(process.spec.stdinOpen, false);
  assert.deepEqual(fixture.engine.get(id).execIds, [exec.id]);
});

test('the size that was asked for before the start is the terminal’s', async () => {
  const fixture = new EngineFixture();
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['serve'] });
  const exec = engine.execCreate(id, execOf({ args: ['stubborn'], tty: true, size: { rows: 1, cols: 2 } }));
  await engine.execResize(exec.id, { rows: 30, cols: 90 });
  await engine.execStart(exec.id, { detach: false }, {}, never);
  const process = fixture.host.processes().at(-1);
  assert.deepEqual(process?.spec.size, { rows: 30, cols: 90 });
  await engine.execResize(exec.id, { rows: 31, cols: 91 });
  assert.deepEqual(process.size, { rows: 31, cols: 91 });
});

test('an exec whose container ends has ended too, and can still be asked about', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  const exec = fixture.engine.execCreate(id, execOf({ args: ['stubborn'] }));
  const attachment = await fixture.engine.execStart(exec.id, { detach: false }, collector().streams, never);
  await fixture.engine.stop(id, {});
  await attachment.done;
  assert.equal(fixture.engine.execInspect(exec.id).exitCode, 137);
});

test('a thousand execs leave no thousand records', async () => {
  const fixture = new EngineFixture();
  const id = await fixture.run({ cmd: ['serve'] });
  const first = fixture.engine.execCreate(id, execOf());
  for (let number = 0; number < 1100; number++) {
    const exec = fixture.engine.execCreate(id, execOf());
    await (
      await fixture.engine.execStart(exec.id, { detach: false }, collector().streams, never)
    ).done;
  }
  assert.equal(fixture.world.containers.get(id)?.execs.length, 0);
  assert.throws(() => fixture.engine.execInspect(first.id), { code: 'not_found' });
});
