import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineFixture, never, specOf } from './testing/engine-fixture.ts';

async function threeContainers(): Promise<EngineFixture> {
  const fixture = new EngineFixture();
  await fixture.engine.create(specOf({ name: 'first', labels: { tier: 'web', a: '' } }));
  await fixture.run({ name: 'second', cmd: ['serve'], labels: { tier: 'db' } });
  await fixture.run({ name: 'third', cmd: ['false'], imageReference: 'busybox:1', labels: { tier: 'web' } });
  await fixture.engine.wait('third', 'not-running', never).exit;
  return fixture;
}

test('ps shows what runs, -a everything, newest first', async () => {
  const { engine } = await threeContainers();
  const names = (all: boolean, limit?: number) =>
    engine.list({ all, filters: {}, ...(limit !== undefined && { limit }) }).map(({ spec }) => spec.name);
  assert.deepEqual(names(false), ['second']);
  assert.deepEqual(names(true), ['third', 'second', 'first']);
  assert.deepEqual(names(false, 2), ['third', 'second'], 'the last ones, whatever they do');
});

test('filters: alternatives within a key, all keys; labels all of them', async () => {
  const { engine } = await threeContainers();
  const names = (filters: Readonly<Record<string, readonly string[]>>) =>
    engine
      .list({ all: true, filters })
      .map(({ spec }) => spec.name)
      .sort();
  const firstId = engine.get('first').id;
  assert.deepEqual(names({ name: ['^f', 'econd'] }), ['first', 'second']);
  assert.deepEqual(names({ name: ['/third'] }), ['third']);
  assert.deepEqual(names({ id: [firstId.slice(0, 10)] }), ['first']);
  assert.deepEqual(names({ label: ['tier=web'] }), ['first', 'third']);
  assert.deepEqual(names({ label: ['tier=web', 'a'] }), ['first']);
  assert.deepEqual(names({ status: ['exited', 'created'] }), ['first', 'third']);
  assert.deepEqual(names({ exited: ['1'] }), ['third']);
  assert.deepEqual(names({ exited: ['0'] }), []);
  assert.deepEqual(names({ before: ['second'] }), ['first']);
  assert.deepEqual(names({ since: ['first'], status: ['running'] }), ['second']);
  assert.deepEqual(names({ ancestor: ['busybox'] }), ['first', 'second', 'third']);
  assert.deepEqual(names({ ancestor: ['busybox:1'] }), ['third']);
  assert.deepEqual(names({ ancestor: ['other'] }), []);
  assert.deepEqual(names({ health: ['none'], 'is-task': ['false'] }), ['first', 'second', 'third']);
});

test('what is no filter, or not one yet, is refused by name', async () => {
  const { engine } = await threeContainers();
  const list = (filters: Readonly<Record<string, readonly string[]>>) => () =>
    engine.list({ all: true, filters });
  assert.throws(list({ colour: ['red'] }), { code: 'invalid_argument', message: "invalid filter 'colour'" });
  assert.throws(list({ network: ['x'] }), { code: 'unimplemented' });
  assert.throws(list({ status: ['asleep'] }), { code: 'invalid_argument' });
  assert.throws(list({ exited: ['one'] }), { code: 'invalid_argument' });
  assert.throws(list({ name: ['('] }), { code: 'invalid_argument' });
  assert.throws(list({ before: ['nobody'] }), { code: 'not_found' });
});

test('a status alone asks for all containers', async () => {
  const { engine } = await threeContainers();
  const found = engine.list({ all: false, filters: { status: ['created'] } });
  assert.deepEqual(
    found.map(({ spec }) => spec.name),
    ['first'],
  );
});
