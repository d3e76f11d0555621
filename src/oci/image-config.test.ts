import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainIds } from './chain-id.ts';
import { parseDigest, shortDigest } from './digest.ts';
import { parseImageConfig, runConfigOf } from './image-config.ts';

const diffId = `sha256:${'c'.repeat(64)}`;
const parse = (value: object) => parseImageConfig(Buffer.from(JSON.stringify(value)), 'x:y');
const minimal = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } };

test('absent and null fields are their defaults', () => {
  const expected = {
    user: '',
    env: [],
    entrypoint: [],
    cmd: [],
    workingDir: '',
    labels: {},
    exposedPorts: [],
    volumes: [],
  };
  assert.deepEqual(runConfigOf(parse(minimal).config), expected);
  const nulls = {
    User: null,
    Env: null,
    Entrypoint: null,
    Cmd: null,
    Labels: null,
    Volumes: null,
    Shell: null,
    Healthcheck: null,
    StopSignal: '',
  };
  assert.deepEqual(runConfigOf(parse({ ...minimal, config: nulls }).config), expected);
});

test('a whole config comes through, fields of others are kept raw', () => {
  const { config, raw } = parse({
    ...minimal,
    docker_version: '20.10',
    config: {
      User: 'app:app',
      Env: ['A=b'],
      Entrypoint: ['/e'],
      Cmd: ['c'],
      WorkingDir: '/w',
      StopSignal: 'SIGQUIT',
      Labels: { l: 'v' },
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/v': {} },
      Shell: ['/bin/bash', '-c'],
      Healthcheck: { Test: ['NONE'] },
      ArgsEscaped: true,
    },
  });
  assert.deepEqual(runConfigOf(config), {
    user: 'app:app',
    env: ['A=b'],
    entrypoint: ['/e'],
    cmd: ['c'],
    workingDir: '/w',
    stopSignal: 'SIGQUIT',
    labels: { l: 'v' },
    exposedPorts: ['80/tcp'],
    volumes: ['/v'],
    shell: ['/bin/bash', '-c'],
    healthcheck: { Test: ['NONE'] },
  });
  assert.equal(raw['docker_version'], '20.10');
});

test('a config that cannot run is refused', () => {
  assert.throws(() => parse({ ...minimal, rootfs: { type: 'layers', diff_ids: [] } }), /no layers/);
  assert.throws(() => parse({ ...minimal, rootfs: { type: 'other', diff_ids: [diffId] } }), /rootfs\.type/);
  assert.throws(() => parse({ ...minimal, config: { Env: 'A=b' } }), /config\.Env/);
  assert.throws(() => parse({ ...minimal, rootfs: { type: 'layers', diff_ids: ['../../etc'] } }), /digest/);
});

test('chain IDs follow the specification', () => {
  // echo -n "sha256:ccc… sha256:ddd…" | sha256sum
  const second = parseDigest(`sha256:${'d'.repeat(64)}`);
  const [first, chain] = chainIds([parseDigest(diffId), second]);
  assert.equal(first, diffId);
  assert.equal(chain, 'sha256:74f054d1eba6e8383f0ebf0f541edddf66549a1679e55ea0f52b4892399fb867');
  assert.equal(shortDigest(diffId), 'c'.repeat(12));
  assert.deepEqual(chainIds([]), []);
});
