import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineFixture, never, specOf } from './testing/engine-fixture.ts';

test('layers that are where they were are not asked for again; missing ones are named by the image store', async () => {
  const fixture = new EngineFixture();
  const { engine, images } = fixture;
  const { id } = await engine.create(specOf({ cmd: ['serve'] }));
  images.layerPath = '/nowhere';
  const { id: gone } = await engine.create(specOf({ cmd: ['serve'] }));
  images.removed = true;
  await engine.start(id, never);
  assert.deepEqual(fixture.host.container(id).spec.layers, [{ digest: specOf().imageId, path: '/' }]);
  await assert.rejects(engine.start(gone, never), { code: 'data_loss' });
  assert.equal(fixture.host.sandboxes.size, 1);
});
