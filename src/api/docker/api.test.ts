import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeImage } from './testing/fake-images.ts';
import { startApi } from './testing/api-fixture.ts';
import type { ApiFixture } from './testing/api-fixture.ts';
import { RawConnection } from './testing/raw-connection.ts';

const timeout = 30_000;

async function create(api: ApiFixture, body: object, query = ''): Promise<string> {
  const { json } = await api.call('POST', `/containers/create${query}`, { Image: 'busybox', ...body });
  return (json as { Id: string }).Id;
}

test('ping by GET and HEAD, with the headers that clients negotiate by', { timeout }, async () => {
  await using api = await startApi();
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, text } = await api.call(method, '/_ping');
    assert.equal(status, 200);
    assert.equal(headers['api-version'], '1.51');
    assert.equal(headers['docker-experimental'], 'false');
    assert.equal(headers['ostype'], 'linux');
    assert.match(String(headers['server']), /^DVM\//);
    assert.equal(text, method === 'GET' ? 'OK' : '');
  }
});

test(
  'an answer’s type is application/json, to the letter: Docker’s client looks for it',
  { timeout },
  async () => {
    await using api = await startApi();
    const { status, headers, json } = await api.call('GET', '/v1.50/containers/nothing/json');
    assert.equal(status, 404);
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual(json, { message: 'No such container: nothing' });
  },
);

test('unknown paths and versions', { timeout }, async () => {
  await using api = await startApi();
  assert.deepEqual((await api.call('GET', '/nonsense')).json, { message: 'page not found' });
  assert.equal((await api.call('GET', '/v1.23/version')).status, 400);
  assert.equal((await api.call('GET', '/v1.24/version')).status, 200);
  assert.equal((await api.call('GET', '/version')).status, 200);
});

test('a missing image is a 404 in the words that make clients pull', { timeout }, async () => {
  await using api = await startApi();
  const { status, json } = await api.call('POST', '/containers/create', { Image: 'missing:1' });
  assert.equal(status, 404);
  assert.deepEqual(json, { message: 'No such image: missing:1' });
  const other = await api.call('POST', '/containers/create?platform=linux/arm64', { Image: 'busybox' });
  assert.equal(other.status, 404);
});

test('a body that is not JSON, and a field of the wrong type', { timeout }, async () => {
  await using api = await startApi();
  const broken = await api.call('POST', '/containers/create', Buffer.from('{'), {
    'Content-Type': 'application/json',
  });
  assert.equal(broken.status, 400);
  const wrong = await api.call('POST', '/containers/create', {
    Image: 'busybox',
    HostConfig: { Memory: 'lots' },
  });
  assert.equal(wrong.status, 400);
  assert.match(wrong.text, /HostConfig\.Memory/);
  const refused = await api.call('POST', '/containers/create', {
    Image: 'busybox',
    HostConfig: { Binds: ['a:/b'] },
  });
  assert.equal(refused.status, 501);
  assert.match(refused.text, /HostConfig\.Binds is not supported yet/);
});

test('the terminal has its size from the start', { timeout }, async () => {
  await using api = await startApi();
  await create(api, { Cmd: ['sh'], Tty: true, HostConfig: { ConsoleSize: [30, 100] } });
  assert.deepEqual(api.engine.calls.at(-1), { verb: 'resize', argument: { rows: 30, cols: 100 } });
});

test('inspect has the shape of Docker’s', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(
    api,
    { Cmd: ['sleep', '100'], Labels: { a: 'b' }, HostConfig: { Memory: 64 << 20, NanoCpus: 5e8 } },
    '?name=web',
  );
  const inspect = (await api.call('GET', '/containers/web/json?size=1')).json as Record<string, unknown>;
  assert.deepEqual(Object.keys(inspect).toSorted(), [
    'AppArmorProfile',
    'Args',
    'Config',
    'Created',
    'Driver',
    'ExecIDs',
    'GraphDriver',
    'HostConfig',
    'HostnamePath',
    'HostsPath',
    'Id',
    'Image',
    'LogPath',
    'MountLabel',
    'Mounts',
    'Name',
    'NetworkSettings',
    'Path',
    'Platform',
    'ProcessLabel',
    'ResolvConfPath',
    'RestartCount',
    'SizeRootFs',
    'SizeRw',
    'State',
  ]);
  assert.equal(inspect['Id'], id);
  assert.equal(inspect['Name'], '/web');
  assert.equal(inspect['Path'], 'sleep');
  assert.deepEqual(inspect['State'], {
    Status: 'created',
    Running: false,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: 0,
    ExitCode: 0,
    Error: '',
    StartedAt: '0001-01-01T00:00:00Z',
    FinishedAt: '0001-01-01T00:00:00Z',
  });
  const host = inspect['HostConfig'] as Record<string, unknown>;
  assert.equal(host['Memory'], 64 << 20);
  assert.equal(host['NanoCpus'], 5e8);
  assert.equal(host['CpuQuota'], 0);
  const config = inspect['Config'] as Record<string, unknown>;
  assert.deepEqual(config['Labels'], { made: 'here', a: 'b' });
  assert.deepEqual(config['ExposedPorts'], { '80/tcp': {} });
});

test('what inspect shows of a container can be created again', { timeout }, async () => {
  await using api = await startApi();
  const host = {
    Memory: 64 << 20,
    NanoCpus: 5e8,
    Tmpfs: { '/run': 'size=1m' },
    SecurityOpt: ['no-new-privileges'],
    Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 },
    LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
  };
  await create(api, { Cmd: ['true'], HostConfig: host }, '?name=one');
  const first = (await api.call('GET', '/containers/one/json')).json as {
    Config: object;
    HostConfig: object;
  };
  const { Config, HostConfig } = first;
  const again = await api.call('POST', '/containers/create?name=two', { ...Config, HostConfig });
  assert.equal(again.status, 201, again.text);
  const second = (await api.call('GET', '/containers/two/json')).json as typeof first;
  assert.deepEqual(second.HostConfig, first.HostConfig);
});

test('list: filters, sizes and the status line', { timeout }, async () => {
  await using api = await startApi();
  await create(api, { Cmd: ['sh', '-c', 'echo a b'] }, '?name=c1');
  const path = '/containers/json?all=1&size=1&limit=5&filters=%7B%22label%22%3A%7B%22x%22%3Atrue%7D%7D';
  const [entry = {}] = (await api.call('GET', path)).json as Record<string, unknown>[];
  assert.deepEqual(entry['Names'], ['/c1']);
  assert.equal(entry['Command'], "sh -c 'echo a b'");
  assert.equal(entry['Status'], 'Created');
  assert.equal(entry['SizeRw'], 5);
  assert.deepEqual(api.engine.calls.at(-1), {
    verb: 'list',
    argument: { all: true, limit: 5, filters: { label: ['x'] } },
  });
  assert.equal((await api.call('GET', '/containers/json?filters=%7B%22x%22%3A%5B%5D%7D')).status, 400);
});

test('start and stop answer 304 when there is nothing to do', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sleep', '100'] });
  assert.equal((await api.call('POST', `/containers/${id}/stop`)).status, 304);
  assert.equal((await api.call('POST', `/containers/${id}/start`)).status, 204);
  assert.equal((await api.call('POST', `/containers/${id}/start`)).status, 304);
  assert.equal((await api.call('POST', `/containers/${id}/stop?t=1`)).status, 204);
  assert.equal((await api.call('POST', `/containers/${id}/start?checkpoint=x`)).status, 501);
});

test('wait sends its head at once, and the exit when there is one', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sh', '-c', 'exit 7'] });
  using client = new RawConnection(api.socketPath);
  client.send(
    `POST /v1.50/containers/${id}/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`,
  );
  assert.match(await client.head(), /^HTTP\/1\.1 200 [\s\S]*content-type: application\/json/i);
  await api.call('POST', `/containers/${id}/start`);
  const chunk = await client.bytes('4\r\n'.length);
  assert.match(chunk.toString(), /^1/); // the chunk's length, in hexadecimal
  assert.deepEqual((await api.call('POST', `/containers/${id}/wait`)).json, { StatusCode: 7 });
  assert.equal((await api.call('POST', `/containers/${id}/wait?condition=never`)).status, 400);
  assert.equal((await api.call('POST', '/containers/nothing/wait')).status, 404);
});

test('logs: frames, times, tail', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sh', '-c', 'echo out; sleep 0.05; echo err >&2'] });
  await api.call('POST', `/containers/${id}/start`);
  await api.call('POST', `/containers/${id}/wait`);
  const path = `/containers/${id}/logs?stdout=1&stderr=1`;
  const plain = await api.call('GET', path);
  assert.equal(plain.headers['content-type'], 'application/vnd.docker.multiplexed-stream');
  assert.equal(plain.text, '\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n');
  const stamped = await api.call('GET', `${path}&timestamps=1&tail=1`);
  assert.match(stamped.text.slice(8), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z err\n$/);
  await api.call('GET', `${path}&since=1700000000.5&until=1800000000&tail=all`);
  assert.deepEqual(api.engine.calls.at(-1)?.argument, {
    stdout: true,
    stderr: true,
    follow: false,
    sinceNs: 1_700_000_000_500_000_000n,
    untilNs: 1_800_000_000_000_000_000n,
  });
  assert.equal((await api.call('GET', `/containers/${id}/logs`)).status, 400);
  assert.equal((await api.call('GET', `${path}&tail=few`)).status, 400);
  assert.equal((await api.call('GET', '/containers/nothing/logs?stdout=1&follow=1')).status, 404);
});

test('stats once: two samples apart, as Docker has them', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['sleep', '100'] });
  const idle = (await api.call('GET', `/containers/${id}/stats?stream=false`)).json as Record<
    string,
    unknown
  >;
  assert.deepEqual(idle['memory_stats'], {});
  await api.call('POST', `/containers/${id}/start`);
  const busy = (await api.call('GET', `/containers/${id}/stats?stream=false&one-shot=true`)).json as {
    cpu_stats: { cpu_usage: unknown; online_cpus: number };
    memory_stats: unknown;
    preread: string;
  };
  assert.deepEqual(busy.cpu_stats.cpu_usage, {
    total_usage: 1_000_000,
    usage_in_kernelmode: 400_000,
    usage_in_usermode: 600_000,
  });
  assert.deepEqual(busy.memory_stats, {
    usage: 2_000_000,
    max_usage: 3_000_000,
    limit: 2 ** 31,
    stats: { inactive_file: 500_000 },
  });
  assert.equal(busy.preread, '0001-01-01T00:00:00Z');
  await api.call('POST', `/containers/${id}/kill`);
});

test(
  'a command that is not in the image: Docker’s client takes the exit code from the words',
  { timeout },
  async () => {
    await using api = await startApi();
    const id = await create(api, { Cmd: ['nosuch'] });
    const { status, text } = await api.call('POST', `/containers/${id}/start`);
    assert.equal(status, 400);
    assert.match(text, /executable file not found in \$PATH/);
  },
);

test('update passes on what is given, and nothing else', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['true'] });
  const update = (body: object) => api.call('POST', `/containers/${id}/update`, body);
  await update({ Memory: 1 << 30, CpusetCpus: '', PidsLimit: null, RestartPolicy: { Name: '' } });
  assert.deepEqual(api.engine.calls.at(-1)?.argument, { resources: { memoryMaxBytes: 1 << 30 } });
  await update({ RestartPolicy: { Name: 'always' } });
  assert.deepEqual(api.engine.calls.at(-1)?.argument, { restartPolicy: { name: 'always' } });
  assert.equal((await update({ CpusetCpus: '0' })).status, 501);
});

test('images: list, inspect, history, tag, remove', { timeout }, async () => {
  await using api = await startApi();
  const [summary] = (await api.call('GET', '/v1.43/images/json')).json as Record<string, unknown>[];
  assert.equal(summary?.['VirtualSize'], 4_000_000);
  assert.equal(summary['SharedSize'], -1);
  const inspect = (await api.call('GET', '/images/docker.io/library/busybox/json')).json as Record<
    string,
    unknown
  >;
  assert.equal(inspect['Id'], fakeImage.id);
  assert.deepEqual(inspect['RootFS'], { Type: 'layers', Layers: fakeImage.diffIds });
  const history = (await api.call('GET', '/images/busybox/history')).json as Record<string, unknown>[];
  assert.deepEqual(
    history.map((entry) => [entry['Id'], entry['CreatedBy']]),
    [
      [fakeImage.id, 'CMD ["sh"]'],
      ['<missing>', 'ADD rootfs.tar /'],
    ],
  );
  assert.equal((await api.call('POST', '/images/busybox/tag?repo=a/b&tag=1')).status, 201);
  assert.equal((await api.call('GET', '/images/a/b:1/json')).status, 200);
  assert.deepEqual((await api.call('DELETE', '/images/a/b:1')).json, [
    { Untagged: 'a/b:1' },
    { Deleted: fakeImage.id },
  ]);
  assert.equal((await api.call('GET', '/images/nothing/json')).status, 404);
  await api.call('POST', '/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D');
  assert.deepEqual(api.images.calls.at(-1)?.request, {});
  await api.call('POST', '/images/prune');
  assert.deepEqual(api.images.calls.at(-1)?.request, { dangling: true });
});

test('pull: progress, credentials, and errors before and after the first line', { timeout }, async () => {
  await using api = await startApi();
  const auth = Buffer.from('{"username":"u","password":"p"}').toString('base64url');
  const path = '/images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag=latest';
  const { status, text } = await api.call('POST', path, undefined, { 'X-Registry-Auth': auth });
  assert.equal(status, 200);
  const lines = text
    .trim()
    .split('\r\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(lines[1], {
    status: 'Downloading',
    progressDetail: { current: 5, total: 10 },
    progress: '[=========================>                        ]  5B/10B',
    id: 'abc',
  });
  assert.deepEqual(api.images.calls[0]?.request, {
    reference: 'docker.io/library/busybox:latest',
    credentials: { username: 'u', password: 'p' },
  });
  assert.equal((await api.call('POST', '/images/create?fromImage=missing&tag=1')).status, 404);
  const corrupt = await api.call('POST', `/images/create?fromImage=corrupt&tag=sha256:${'a'.repeat(64)}`);
  assert.equal(corrupt.status, 200);
  assert.match(corrupt.text, /"errorDetail":\{"message":"layer abc is not/);
  assert.equal(
    (api.images.calls.at(-1)?.request as { reference: string }).reference,
    `corrupt@sha256:${'a'.repeat(64)}`,
  );
  await api.call('POST', '/images/create?fromImage=localhost:5000/x');
  assert.deepEqual(api.images.calls.at(-1)?.request, { reference: 'localhost:5000/x', allTags: true });
});

test('load and import take a stream of any type', { timeout }, async () => {
  await using api = await startApi();
  const tar = Buffer.alloc(8 << 20, 'tar');
  const loaded = await api.call('POST', '/images/load?quiet=1', tar, { 'Content-Type': 'application/x-tar' });
  assert.deepEqual(loaded.json, { stream: 'Loaded image: busybox:latest\n' });
  assert.equal(api.images.calls.at(-1)?.request, tar.length);
  const imported = await api.call(
    'POST',
    '/images/create?fromSrc=-&repo=a&tag=b&changes=CMD%20x&changes=ENV%20A=b',
    tar,
  );
  assert.deepEqual(imported.json, { status: fakeImage.id });
  assert.deepEqual(api.images.calls.at(-1)?.request, {
    reference: 'a:b',
    message: '',
    changes: ['CMD x', 'ENV A=b'],
    bytes: tar.length,
  });
  assert.equal((await api.call('POST', '/images/create?fromSrc=http://x/y')).status, 501);
});

test('events: past ones, in Docker’s shape', { timeout }, async () => {
  await using api = await startApi();
  const id = await create(api, { Cmd: ['true'] }, '?name=e');
  const { json } = await api.call('GET', '/events?since=1&until=2000000000');
  const event = json as Record<string, unknown>;
  assert.equal(event['Type'], 'container');
  assert.equal(event['Action'], 'create');
  assert.deepEqual(event['Actor'], { ID: id, Attributes: { name: 'e', image: 'busybox' } });
  assert.equal(event['from'], 'busybox');
});

const refused: readonly [string, string, number][] = [
  ['POST', '/auth', 501],
  ['POST', '/build', 501],
  ['POST', '/session', 501],
  ['POST', '/commit?container=x', 501],
  ['GET', '/containers/x/export', 501],
  ['GET', '/containers/x/archive?path=/', 501],
  ['HEAD', '/containers/x/archive?path=/', 501],
  ['PUT', '/containers/x/archive?path=/', 501],
  ['GET', '/containers/x/changes', 501],
  ['GET', '/images/search?term=x', 501],
  ['GET', '/images/get?names=x', 501],
  ['GET', '/images/a/b/get', 501],
  ['POST', '/images/a/b/push', 501],
  ['GET', '/distribution/a/b/json', 501],
  ['POST', '/networks/create', 501],
  ['POST', '/volumes/create', 501],
  ['GET', '/swarm', 503],
  ['GET', '/services/x', 503],
  ['GET', '/plugins/x/json', 404],
  ['GET', '/volumes/x', 404],
  ['GET', '/networks/x', 404],
];
for (const [method, path, status] of refused) {
  test(`${method} ${path} is refused with ${status}`, { timeout }, async () => {
    await using api = await startApi();
    const answer = await api.call(method, `/v1.50${path}`, method === 'POST' ? {} : undefined);
    assert.equal(answer.status, status);
    if (method !== 'HEAD') assert.match(answer.text, /"message":"[^"]{10,}"/);
  });
}

test('the networks there are', { timeout }, async () => {
  await using api = await startApi();
  const networks = (await api.call('GET', '/networks')).json as { Name: string }[];
  assert.deepEqual(
    networks.map((network) => network.Name),
    ['none'],
  );
  assert.equal((await api.call('GET', '/networks/none')).status, 200);
  assert.deepEqual((await api.call('GET', '/volumes')).json, { Volumes: [], Warnings: null });
});

test('info names what runs', { timeout }, async () => {
  await using api = await startApi();
  const info = (await api.call('GET', '/info')).json as { DriverStatus: [string, string][]; OSType: string };
  const status = new Map(info.DriverStatus);
  assert.equal(status.get('Accelerator'), 'tcg');
  assert.equal(status.get('Guest Kernel'), '6.1.0-dvm (trimmed)');
  assert.equal(status.get('Pool'), '2 of 2 ready');
  assert.equal(info.OSType, 'linux');
});
