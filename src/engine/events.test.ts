import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineEvent } from './model/container.ts';
import { EventBus } from './events.ts';

const never = new AbortController().signal;

function event(action: string, change: Partial<EngineEvent> = {}): EngineEvent {
  return {
    type: 'container',
    action,
    id: 'c1',
    attributes: { name: 'web', image: 'nginx:latest', tier: 'front' },
    time: new Date(),
    ...change,
  };
}

async function collect(events: AsyncIterable<EngineEvent>, count: number): Promise<string[]> {
  const actions: string[] = [];
  for await (const { action } of events) {
    actions.push(action);
    if (actions.length === count) break;
  }
  return actions;
}

test('who listens gets what comes from then on, in order', async () => {
  const bus = new EventBus();
  bus.emit(event('before'));
  const events = bus.subscribe({ filters: {} }, never);
  bus.emit(event('one'));
  bus.emit(event('two'));
  assert.deepEqual(await collect(events, 2), ['one', 'two']);
});

test('the past is told from a time on, up to a time, and no more', async () => {
  const bus = new EventBus();
  const at = (ms: number) => ({ time: new Date(ms) });
  for (const ms of [10, 20, 30, 40]) bus.emit(event(String(ms), at(ms)));
  const query = { since: new Date(20), until: new Date(30), filters: {} };
  assert.deepEqual(await collect(bus.subscribe(query, never), 100), ['20', '30']);
});

test('it ends with the signal, and at its until', async () => {
  const bus = new EventBus();
  const giveUp = new AbortController();
  const collected = collect(bus.subscribe({ filters: {} }, giveUp.signal), 100);
  giveUp.abort();
  assert.deepEqual(await collected, []);
  const until = new Date(Date.now() + 20);
  assert.deepEqual(await collect(bus.subscribe({ until, filters: {} }, never), 100), []);
});

test('filters choose', async () => {
  const cases: [Readonly<Record<string, readonly string[]>>, boolean][] = [
    [{ event: ['exec_start'] }, true],
    [{ event: ['exec_start: sh'] }, true],
    [{ event: ['start'] }, false],
    [{ type: ['image', 'container'] }, true],
    [{ type: ['image'] }, false],
    [{ container: ['web'] }, true],
    [{ container: ['c'] }, true],
    [{ container: ['db'] }, false],
    [{ image: ['nginx'] }, true],
    [{ image: ['nginx:1'] }, false],
    [{ label: ['tier'] }, true],
    [{ label: ['tier=back'] }, false],
    [{ type: ['container'], label: ['tier=front'] }, true],
    [{ scope: ['swarm'] }, false],
  ];
  for (const [filters, matches] of cases) {
    const bus = new EventBus();
    const events = bus.subscribe({ filters }, never);
    bus.emit(event('exec_start: sh'));
    bus.emit(event('last', { type: 'container' }));
    const giveUp = bus.subscribe({ filters: {} }, AbortSignal.abort());
    assert.deepEqual(await collect(giveUp, 1), []);
    const seen = await Promise.race([
      collect(events, 1),
      new Promise<string[]>((resolve) => setImmediate(resolve, [])),
    ]);
    assert.equal(seen[0] === 'exec_start: sh', matches, JSON.stringify(filters));
  }
  const bus = new EventBus();
  assert.throws(() => bus.subscribe({ filters: { nope: ['x'] } }, never), { code: 'invalid_argument' });
});

test('a listener that does not read is let go, not fed for ever', async () => {
  const bus = new EventBus();
  const events = bus.subscribe({ filters: {} }, never);
  for (let count = 0; count < 20_000; count++) bus.emit(event('flood'));
  await assert.rejects(collect(events, 20_000), { code: 'resource_exhausted' });
});
