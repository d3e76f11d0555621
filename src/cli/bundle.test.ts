/** The client as it is installed: one bundle, with V8's compiled form of it beside. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, after, test } from 'node:test';
import { Script } from 'node:vm';
import { buildClient } from '../../scripts/build-client.ts';
import { codeCachePath, wrapBundle } from './bundle-files.ts';
import { commandTable } from './command-table.ts';
import { FakeDaemon } from './testing/fake-daemon.ts';

const directory = await mkdtempDisposable(join(tmpdir(), 'dvm-bundle-'));
const program = join(directory.path, 'dvm.cjs');
const bundlePath = join(directory.path, 'dvm.bundle.cjs');

before(() => buildClient(directory.path));
after(() => directory.remove());

test('the code cache belongs to the bundle', async () => {
  const source = wrapBundle(await readFile(bundlePath, 'utf8'));
  const cachedData = await readFile(codeCachePath(bundlePath));
  assert.equal(new Script(source, { filename: bundlePath, cachedData }).cachedDataRejected, false);
});

test('every verb is in it and can be loaded', () => {
  for (const { names } of commandTable) {
    const words = names[0]?.split(' ') ?? [];
    const help = spawnSync(process.execPath, [program, ...words, '--help']);
    assert.equal(help.stderr.toString(), '');
    assert.match(help.stdout.toString(), /^Usage: {2}dvm /);
  }
});

test('nothing is left that only a checkout could resolve', async () => {
  const source = await readFile(bundlePath, 'utf8');
  assert.deepEqual(source.match(/\bimport\(/g), null);
  const required = [...source.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name ?? '');
  assert.deepEqual(
    required.filter((name) => !name.startsWith('node:')),
    [],
  );
});

test('a damaged or missing code cache costs time and nothing else', async () => {
  await writeFile(codeCachePath(bundlePath), 'not a code cache');
  assert.equal(spawnSync(process.execPath, [program, 'version', '--client']).status, 0);
  await rm(codeCachePath(bundlePath));
  assert.equal(spawnSync(process.execPath, [program, 'version', '--client']).status, 0);
});

test('a container with a terminal, from the bundle', async () => {
  await using daemon = await FakeDaemon.start(
    {
      'POST /containers/create': () => ({ status: 201, body: { Id: 'c1', Warnings: [] } }),
      'POST /containers/*/start': () => ({}),
      'POST /containers/*/resize': () => ({}),
      'POST /containers/*/wait': () => ({ body: { StatusCode: 4 } }),
    },
    { 'POST /containers/*/attach': (socket) => void socket.end('from inside\n') },
  );
  const line = `'${process.execPath}' '${program}' --socket '${daemon.socketPath}' run -it busybox sh`;
  const terminal = spawn('script', ['-qec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  terminal.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
  assert.deepEqual(await once(terminal, 'close'), [4, null]);
  assert.equal(shown, 'from inside\n');
});
