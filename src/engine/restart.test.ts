import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { RestartBackoff, restartsAfterExit } from './restart-policy.ts';
import { EngineFixture, never } from './testing/engine-fixture.ts';

/** Lets everything happen that does not wait for a clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
}

/** Each start of `crash` is counted; it ends with the code it is given. */
function crashing(context: TestContext, exitCode = 1): { fixture: EngineFixture; starts: () => number } {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const fixture = new EngineFixture();
  let starts = 0;
  fixture.host.programs.set('crash', () => {
    starts++;
    return exitCode;
  });
  return { fixture, starts: () => starts };
}

test('delays double from 100 ms to a minute, and begin anew after a run of ten seconds', () => {
  const backoff = new RestartBackoff();
  const delays = Array.from({ length: 12 }, () => backoff.next(5));
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
  assert.equal(backoff.next(10_000), 100);
  assert.equal(backoff.next(9_999), 200);
});

test('each policy restarts what it says', () => {
  const asks = (
    policy: Parameters<typeof restartsAfterExit>[0]['policy'],
    exitCode: number,
    restartCount = 0,
  ) =>
    restartsAfterExit({
      policy,
      exit: { exitCode, oomKilled: false, error: '', finishedAt: new Date(0) },
      manuallyStopped: false,
      restartCount,
    });
  assert.equal(asks({ name: 'no' }, 1), false);
  assert.equal(asks({ name: 'always' }, 0), true);
  assert.equal(asks({ name: 'unless-stopped' }, 0), true);
  assert.equal(asks({ name: 'on-failure', maximumRetryCount: 0 }, 0), false);
  assert.equal(asks({ name: 'on-failure', maximumRetryCount: 0 }, 1, 1000), true);
  assert.equal(asks({ name: 'on-failure', maximumRetryCount: 2 }, 1, 1), true);
  assert.equal(asks({ name: 'on-failure', maximumRetryCount: 2 }, 1, 2), false);
});

test('one that fails is started again after its delay, and each is counted', async (context) => {
  const { fixture, starts } = crashing(context);
  const id = await fixture.run({ cmd: ['crash'], restartPolicy: { name: 'always' } });
  await settle();
  assert.equal(fixture.engine.get(id).status, 'restarting');
  context.mock.timers.tick(99);
  await settle();
  assert.equal(starts(), 1);
  context.mock.timers.tick(1);
  await settle();
  assert.equal(starts(), 2);
  context.mock.timers.tick(200);
  await settle();
  assert.equal(starts(), 3);
  assert.equal(fixture.engine.get(id).restartCount, 3);
  await fixture.engine.stop(id, {});
  await settle();
  context.mock.timers.tick(60_000);
  await settle();
  assert.equal(starts(), 3);
  assert.equal(fixture.engine.get(id).status, 'exited');
});

test('on-failure gives up after its retries; a start by hand counts anew', async (context) => {
  const { fixture, starts } = crashing(context);
  const id = await fixture.run({
    cmd: ['crash'],
    restartPolicy: { name: 'on-failure', maximumRetryCount: 2 },
  });
  for (let round = 0; round < 5; round++) {
    await settle();
    context.mock.timers.tick(1000);
  }
  await settle();
  assert.equal(starts(), 3);
  assert.equal(fixture.engine.get(id).status, 'exited');
  assert.equal(fixture.engine.get(id).restartCount, 2);
  await fixture.engine.start(id, never);
  assert.equal(fixture.engine.get(id).restartCount, 0);
  await fixture.engine.remove(id, { force: true, volumes: false });
});

test('a stop by hand is not undone, a kill neither', async (context) => {
  const { fixture } = crashing(context);
  const ids = [];
  for (const how of ['stop', 'kill'] as const) {
    const id = await fixture.run({ cmd: ['serve'], restartPolicy: { name: 'always' } });
    if (how === 'stop') await fixture.engine.stop(id, {});
    else await fixture.engine.kill(id, 'KILL');
    ids.push(id);
  }
  context.mock.timers.tick(60_000);
  await settle();
  for (const id of ids) assert.equal(fixture.engine.get(id).status, 'exited');
});

test('a restart that cannot start gives up and says why', async (context) => {
  const { fixture } = crashing(context);
  const id = await fixture.run({ cmd: ['crash'], restartPolicy: { name: 'always' } });
  await settle();
  fixture.runtime.failing.add('createSandbox');
  context.mock.timers.tick(100);
  await settle();
  const { status, exit } = fixture.engine.get(id);
  assert.equal(status, 'exited');
  assert.match(exit?.error ?? '', /createSandbox fails/);
});

test('one that waits for its restart can be removed by force only, and is not killed for it', async (context) => {
  const { fixture, starts } = crashing(context);
  const { engine } = fixture;
  const id = await fixture.run({ cmd: ['crash'], restartPolicy: { name: 'always' } });
  await settle();
  assert.equal(await engine.start(id, never), false);
  await assert.rejects(engine.remove(id, { force: false, volumes: false }), { message: /is restarting/ });
  await assert.rejects(engine.pause(id), { message: /is restarting/ });
  await engine.remove(id, { force: true, volumes: false });
  context.mock.timers.tick(60_000);
  await settle();
  assert.equal(starts(), 1);
  assert.equal(fixture.world.containers.size, 0);
});
