import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCommand } from './config.ts';

async function configOf(...args: string[]) {
  const command = await parseCommand(args);
  assert.ok(command.kind === 'serve');
  return command.config;
}

async function withFile<T>(content: string, use: (path: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-config-'));
  const path = join(directory, 'daemon.yaml');
  await writeFile(path, content);
  try {
    return await use(path);
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('the socket is in the state directory unless it is named', async () => {
  assert.equal((await configOf()).socketPath, '/run/dvm/dvm.sock');
  assert.equal((await configOf('--state-dir', '/x')).socketPath, '/x/dvm.sock');
  assert.equal((await configOf('--state-dir', '/x', '--socket', '/y.sock')).socketPath, '/y.sock');
  assert.equal((await configOf('--data-dir', 'relative')).dataDirectory, join(process.cwd(), 'relative'));
});

test('a file, in YAML or JSON, and flags over it', async () => {
  const yaml =
    'memory: 2g\npool-size: 4\nregistry-mirrors:\n  docker.io: [https://mirror.example]\nlog-level: debug\n';
  await withFile(yaml, async (path) => {
    const config = await configOf(
      '--config',
      path,
      '--pool-size',
      '1',
      '--insecure-registry',
      'localhost:5000',
    );
    assert.equal(config.defaultMemoryBytes, 2 * 2 ** 30);
    assert.equal(config.poolSize, 1);
    assert.deepEqual(config.registryMirrors, { 'docker.io': ['https://mirror.example'] });
    assert.deepEqual(config.insecureRegistries, ['localhost:5000']);
    assert.equal(config.logLevel, 'debug');
  });
  await withFile('{"accelerator": "tcg", "vcpus": 2}', async (path) => {
    const config = await configOf('--config', path);
    assert.equal(config.accelerator, 'tcg');
    assert.equal(config.defaultVcpus, 2);
  });
  await withFile('', async (path) => assert.equal((await configOf('--config', path)).accelerator, 'auto'));
});

test('mirrors of several registries', async () => {
  const config = await configOf('--registry-mirror', 'https://a', '--registry-mirror', 'ghcr.io=http://b:1');
  assert.deepEqual(config.registryMirrors, { 'docker.io': ['https://a'], 'ghcr.io': ['http://b:1'] });
});

const refusals: readonly (readonly [readonly string[], RegExp])[] = [
  [['--nonsense'], /--nonsense/],
  [['positional'], /positional/],
  [['--accelerator', 'xen'], /--accelerator/],
  [['--pool-size', 'many'], /--pool-size.*many/],
  [['--pool-size', '65'], /--pool-size/],
  [['--memory', 'lots'], /memory.*lots/],
  [['--memory', '1m'], /64m/],
  [['--log-level', 'loud'], /--log-level/],
  [['--registry-mirror', 'ftp://x'], /registry-mirrors/],
  [['--insecure-registry', 'http://x'], /HOST or HOST:PORT/],
  [['--config', '/nonexistent.yaml'], /cannot read the configuration \/nonexistent\.yaml/],
];
for (const [args, expected] of refusals) {
  test(`dvmd ${args.join(' ')} is refused`, async () => {
    await assert.rejects(parseCommand(args), { code: 'invalid_argument', message: expected });
  });
}

test('unknown keys of the file are refused by name, with the file', async () => {
  await withFile('sokcet: /x\n', async (path) => {
    await assert.rejects(parseCommand(['--config', path]), {
      message: new RegExp(`"sokcet" in ${path} is not known`),
    });
  });
  await withFile('a: [', async (path) => {
    await assert.rejects(parseCommand(['--config', path]), { message: /neither YAML nor JSON/ });
  });
});

test('help and version', async () => {
  assert.equal((await parseCommand(['--help'])).kind, 'help');
  assert.equal((await parseCommand(['--version'])).kind, 'version');
});
