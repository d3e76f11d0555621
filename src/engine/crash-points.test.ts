/** The daemon dies at each transaction of each verb, before it is stored: the next one brings everything into order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerSpec } from './model/container.ts';
import { EngineFixture, never, specOf } from './testing/engine-fixture.ts';

interface Scenario {
  readonly name: string;
  readonly spec: Partial<ContainerSpec>;
  readonly prepare?: (fixture: EngineFixture, id: string) => Promise<void>;
  readonly act: (fixture: EngineFixture, id: string) => Promise<unknown>;
}

const start = async ({ engine }: EngineFixture, id: string) => {
  await engine.start(id, never);
};

const scenarios: readonly Scenario[] = [
  { name: 'start', spec: { cmd: ['serve'] }, act: start },
  {
    name: 'start and exit',
    spec: { cmd: ['true'] },
    act: async (fixture, id) => {
      const { exit } = fixture.engine.wait(id, 'next-exit', never);
      await start(fixture, id);
      await exit;
      await fixture.engine.settled();
    },
  },
  {
    name: 'start and exit with --rm',
    spec: { cmd: ['true'], autoRemove: true },
    act: async (fixture, id) => {
      const { exit } = fixture.engine.wait(id, 'removed', never);
      await start(fixture, id);
      await exit;
      await fixture.engine.settled();
    },
  },
  {
    name: 'stop',
    spec: { cmd: ['serve'] },
    prepare: start,
    act: async (fixture, id) => {
      await fixture.engine.stop(id, {});
      await fixture.engine.settled();
    },
  },
  { name: 'pause', spec: { cmd: ['serve'] }, prepare: start, act: ({ engine }, id) => engine.pause(id) },
  {
    name: 'rm -f',
    spec: { cmd: ['stubborn'] },
    prepare: start,
    act: async (fixture, id) => {
      await fixture.engine.remove(id, { force: true, volumes: false });
      await fixture.engine.settled();
    },
  },
  {
    name: 'rm',
    spec: { cmd: ['true'] },
    act: ({ engine }, id) => engine.remove(id, { force: false, volumes: false }),
  },
];

/** Every record agrees with what is there. */
function checkConsistent(fixture: EngineFixture): void {
  const { host, engine } = fixture;
  const views = engine.list({ all: true, filters: {} });
  const running = views.filter(({ status }) => status === 'running' || status === 'paused');
  assert.equal(host.sandboxes.size, running.length, 'a sandbox for each that runs, and no other');
  for (const { id, status } of running) {
    const container = host.container(id);
    assert.equal(container.main.end, undefined);
    assert.equal(container.frozen, status === 'paused');
  }
  for (const { status } of views) assert.notEqual(status, 'removing');
  const ids = new Set(views.map(({ id }) => id));
  for (const kept of [fixture.world.disks, fixture.world.holders, fixture.world.logs.keys()])
    for (const id of kept) assert.ok(ids.has(id), 'nothing belongs to nobody');
  assert.equal(fixture.world.containers.size, views.length);
  assert.equal(fixture.world.pods.size, views.length);
}

for (const scenario of scenarios) {
  for (let point = 1; point <= 4; point++) {
    test(`the daemon dies at transaction ${point} of ${scenario.name}`, async () => {
      const fixture = new EngineFixture();
      const { id } = await fixture.engine.create(specOf(scenario.spec));
      await scenario.prepare?.(fixture, id);
      const dead = Promise.withResolvers<undefined>();
      fixture.state.diesAt(point, () => {
        fixture.killDaemon();
        dead.resolve(undefined);
      });
      const acted = scenario.act(fixture, id).then(
        () => undefined,
        () => undefined,
      );
      await Promise.race([acted, dead.promise]);
      fixture.killDaemon(); // also when it came through: it has to be in order then too
      await fixture.startDaemon();
      await fixture.engine.settled();
      checkConsistent(fixture);
      // And it can be used: whatever is left can be started and removed.
      for (const { id: left } of fixture.engine.list({ all: true, filters: {} })) {
        await fixture.engine.remove(left, { force: true, volumes: false });
      }
      await fixture.engine.settled();
      assert.deepEqual(fixture.leftovers(), { sandboxes: 0, disks: 0, logs: 0, holders: 0 });
    });
  }
}
