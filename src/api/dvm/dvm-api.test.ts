import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import { EngineError } from '../../errors/engine-error.ts';
import { createApiServer } from '../http/api-server.ts';
import { registerDvmApi } from './dvm-api.ts';
import type { openApiDocument } from './openapi.ts';
import { operations } from './operations.ts';
import type { DvmBackend } from './operations.ts';
import { infoSchema, originSchema } from './schemas.ts';

const origin = {
  how: 'pool',
  vmm: 'qemu',
  accelerator: 'tcg',
  kernelRelease: '6.12',
  kernelKind: 'trimmed',
  startMs: 12.5,
} as const;

const backend: DvmBackend = {
  info: () => {
    throw new Error('a defect');
  },
  doctor: () => Promise.resolve({ healthy: true, checks: [{ name: 'KVM', status: 'ok', message: 'works' }] }),
  origin: (id) => {
    if (id === 'web') return origin;
    throw new EngineError('not_found', `No such container: ${id}`);
  },
  trace: () => ({ spans: [] }),
};

function api() {
  const app = createApiServer({
    logger: pino({ level: 'silent' }),
    rewriteUrl: (url) => url,
    mayUpgrade: () => false,
  });
  registerDvmApi(app, backend, '1.2.3');
  return { app, [Symbol.asyncDispose]: () => app.close() };
}

test('answers, and errors with their code', async () => {
  await using server = api();
  const get = (url: string) => server.app.inject({ method: 'GET', url });
  const found = await get('/dvm/v1/containers/web/origin');
  assert.deepEqual(originSchema.parse(found.json()), origin);
  const missing = await get('/dvm/v1/containers/nothing/origin');
  assert.equal(missing.statusCode, 404);
  assert.deepEqual(missing.json(), { code: 'not_found', message: 'No such container: nothing' });
  assert.equal((await get('/dvm/v1/doctor')).statusCode, 200);
  const defect = await get('/dvm/v1/info');
  assert.equal(defect.statusCode, 500);
  assert.equal(defect.json<{ code: string }>().code, 'internal');
});

test('what it does not know is refused', async () => {
  await using server = api();
  const get = (url: string) => server.app.inject({ method: 'GET', url });
  const query = await get('/dvm/v1/doctor?verbose=1');
  assert.equal(query.statusCode, 400);
  assert.match(query.body, /verbose/);
  const path = await get('/dvm/v1/pods');
  assert.equal(path.statusCode, 404);
  assert.match(path.body, /openapi\.json/);
});

test('the OpenAPI document has every operation, with the schemas that the types come from', async () => {
  await using server = api();
  const served = (await server.app.inject({ method: 'GET', url: '/dvm/v1/openapi.json' })).json<
    ReturnType<typeof openApiDocument>
  >();
  assert.equal(served.info.version, '1.2.3');
  assert.deepEqual(
    Object.keys(served.paths),
    Object.values(operations).map((operation) => `/dvm/v1${operation.path}`),
  );
  const { Info } = served.components.schemas;
  assert.deepEqual(Object.keys(Info?.properties ?? {}), Object.keys(infoSchema.shape));
  assert.equal(Info?.additionalProperties, false);
  const references = JSON.stringify(served).matchAll(/"#\/components\/schemas\/(\w+)"/g);
  for (const [, name] of references)
    assert.ok(name !== undefined && name in served.components.schemas, String(name));
});
