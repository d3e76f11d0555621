import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageRunConfig } from './ports/images.ts';
import { resolveSpec } from './resolve-spec.ts';

const image: ImageRunConfig = {
  user: 'app',
  env: ['PATH=/image/bin', 'LANG=C'],
  entrypoint: ['/entry'],
  cmd: ['default'],
  workingDir: '/srv',
  stopSignal: 'SIGQUIT',
  labels: { a: 'image', b: 'image' },
  exposedPorts: ['80/tcp'],
  volumes: ['/data'],
};

function command(request: Parameters<typeof resolveSpec>[0], from = image): readonly string[] {
  const { entrypoint, cmd } = resolveSpec(request, from);
  return [...entrypoint, ...cmd];
}

test('entrypoint and command by Docker’s rules', () => {
  assert.deepEqual(command({}), ['/entry', 'default']);
  assert.deepEqual(command({ cmd: ['mine'] }), ['/entry', 'mine']);
  assert.deepEqual(command({ cmd: [] }), ['/entry', 'default']);
  assert.deepEqual(
    command({ entrypoint: ['/other'] }),
    ['/other'],
    'the image’s command was for its entrypoint',
  );
  assert.deepEqual(command({ entrypoint: ['/other'], cmd: ['x'] }), ['/other', 'x']);
  assert.deepEqual(command({ entrypoint: [''], cmd: ['sh'] }), ['sh'], 'an empty one takes the image’s away');
  assert.deepEqual(command({ entrypoint: [] }), ['default'], 'a list without anything is one too');
});

test('no command at all is refused', () => {
  const bare = { ...image, entrypoint: [], cmd: [] };
  assert.throws(() => resolveSpec({}, bare), { code: 'invalid_argument', message: /no command specified/ });
  assert.throws(() => resolveSpec({ entrypoint: [''] }, image), { code: 'invalid_argument' });
});

test('variables, user, directory, signal, labels: the user’s before the image’s', () => {
  const resolved = resolveSpec(
    {
      env: ['LANG=de', 'MINE=1'],
      labels: { b: 'user' },
      exposedPorts: ['80/tcp', '443/tcp'],
      volumes: ['/x'],
    },
    image,
  );
  assert.deepEqual(resolved.env, ['LANG=de', 'MINE=1', 'PATH=/image/bin']);
  assert.deepEqual(resolved.labels, { a: 'image', b: 'user' });
  assert.deepEqual(resolved.exposedPorts, ['80/tcp', '443/tcp']);
  assert.deepEqual(resolved.volumes, ['/x', '/data']);
  assert.deepEqual([resolved.user, resolved.workingDir, resolved.stopSignal], ['app', '/srv', 'SIGQUIT']);
  const own = resolveSpec({ user: '0', workingDir: '/', stopSignal: 'SIGINT' }, image);
  assert.deepEqual([own.user, own.workingDir, own.stopSignal], ['0', '/', 'SIGINT']);
  assert.equal(resolveSpec({}, { ...image, stopSignal: '' }).stopSignal, 'SIGTERM');
  assert.throws(() => resolveSpec({ workingDir: 'tmp' }, image), { code: 'invalid_argument' });
});
