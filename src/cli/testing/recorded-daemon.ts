/** The daemon that docker's own client was recorded on, and that ours is compared on. */
import { FakeDaemon, frame } from './fake-daemon.ts';
import type { Hijacks, Routes } from './fake-daemon.ts';

const id = 'c'.repeat(64);
const imageId = `sha256:${'a'.repeat(64)}`;

const container = {
  Id: id,
  Name: '/web',
  Created: '2025-11-21T01:00:00.123456789Z',
  Path: 'sh',
  Args: [],
  State: {
    Status: 'running',
    Running: true,
    Paused: false,
    Restarting: false,
    Dead: false,
    Pid: 4711,
    ExitCode: 0,
    Error: '',
  },
  Image: imageId,
  Config: {
    Image: 'busybox',
    Tty: false,
    OpenStdin: false,
    Labels: { app: 'web', tier: 'front' },
    Env: ['A=1', 'B=2'],
    Cmd: ['sh'],
  },
  HostConfig: { AutoRemove: false, NetworkMode: 'default' },
  NetworkSettings: {
    Networks: {},
    Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '81/tcp': null },
  },
  Mounts: [],
};

const routes: Routes = {
  'GET /_ping': () => ({ body: 'OK', headers: ping }),
  'HEAD /_ping': () => ({ body: '', headers: ping }),
  'GET /info': () => ({ body: { OSType: 'linux', Swarm: {} } }),
  'POST /containers/create': () => ({ status: 201, body: { Id: id, Warnings: [] } }),
  'POST /containers/*/start': () => ({}),
  'POST /containers/*/stop': () => ({}),
  'POST /containers/*/restart': () => ({}),
  'POST /containers/*/kill': () => ({}),
  'POST /containers/*/pause': () => ({}),
  'POST /containers/*/unpause': () => ({}),
  'POST /containers/*/rename': () => ({}),
  'POST /containers/*/resize': () => ({ status: 200, body: '' }),
  'POST /containers/*/update': () => ({ body: { Warnings: [] } }),
  'POST /containers/*/wait': () => ({ body: { StatusCode: 7 } }),
  'DELETE /containers/*': () => ({}),
  'GET /containers/*/json': () => ({ body: container }),
  'GET /containers/*/top': () => ({
    body: {
      Titles: ['PID', 'USER', 'COMMAND'],
      Processes: [
        ['1', 'root', 'sh'],
        ['12', 'www-data', 'sleep 1000000'],
      ],
    },
  }),
  'GET /containers/*/logs': () => ({ body: Buffer.concat([frame(1, 'out\n'), frame(2, 'err\n')]) }),
  'GET /containers/*/stats': () => ({ body: `${JSON.stringify(stats)}\n`, headers: { Ostype: 'linux' } }),
  'GET /containers/json': () => ({ body: containers }),
  'POST /containers/prune': () => ({ body: { ContainersDeleted: [id], SpaceReclaimed: 1_234_567 } }),
  'POST /containers/*/exec': () => ({ status: 201, body: { Id: 'e'.repeat(64) } }),
  'POST /exec/*/start': () => ({ status: 200, body: '' }),
  'GET /exec/*/json': () => ({ body: { ID: 'e'.repeat(64), Running: false, ExitCode: 3 } }),
  'GET /images/json': () => ({ body: images }),
  'GET /images/*/json': () => ({
    body: { Id: imageId, RepoTags: ['busybox:latest'], Size: 4_300_000, Config: { Labels: { a: 'b' } } },
  }),
  'GET /images/*/history': () => ({ body: history }),
  'POST /images/create': () => ({ body: pullLines }),
  'POST /images/load': () => ({
    headers: { 'Content-Type': 'application/json' },
    body: '{"stream":"Loaded image: busybox:latest\\n"}\n',
  }),
  'POST /images/*/tag': () => ({ status: 201, body: '' }),
  'DELETE /images/*': () => ({ body: [{ Untagged: 'busybox:latest' }, { Deleted: imageId }] }),
  'POST /images/prune': () => ({
    body: { ImagesDeleted: [{ Untagged: 'old:1' }, { Deleted: imageId }], SpaceReclaimed: 0 },
  }),
  'GET /events': () => ({ body: `${JSON.stringify(event)}\n` }),
};

const ping = {
  'Api-Version': '1.50',
  Ostype: 'linux',
  'Builder-Version': '1',
  Server: 'Docker/28.2.2 (linux)',
};

const hijacks: Hijacks = {
  'POST /containers/*/attach': (socket, { query }) => {
    if (query['stdout']?.[0] === '1') socket.write(frame(1, 'out\n'));
    if (query['stderr']?.[0] === '1') socket.write(frame(2, 'err\n'));
    socket.end();
  },
  'POST /exec/*/start': (socket) => void socket.end(Buffer.concat([frame(1, 'out\n'), frame(2, 'err\n')])),
};

const pullLines = [
  { status: 'Pulling from library/busybox', id: 'latest' },
  { status: 'Pulling fs layer', progressDetail: {}, id: '0123456789ab' },
  {
    status: 'Downloading',
    progressDetail: { current: 1000, total: 4_300_000 },
    progress: '[> ]  1kB/4.3MB',
    id: '0123456789ab',
  },
  { status: 'Download complete', progressDetail: {}, id: '0123456789ab' },
  { status: 'Pull complete', progressDetail: {}, id: '0123456789ab' },
  { status: `Digest: sha256:${'d'.repeat(64)}` },
  { status: 'Status: Downloaded newer image for busybox:latest' },
]
  .map((line) => `${JSON.stringify(line)}\r\n`)
  .join('');

const containers = [
  {
    Id: id,
    Names: ['/web'],
    Image: 'docker.io/library/nginx:1.27',
    ImageID: imageId,
    Command: 'nginx -g "daemon off;" --and-more',
    Created: 1_700_000_000,
    Ports: [
      { PrivatePort: 80, PublicPort: 8080, IP: '0.0.0.0', Type: 'tcp' },
      { PrivatePort: 443, Type: 'tcp' },
      { PrivatePort: 444, Type: 'tcp' },
      { PrivatePort: 53, PublicPort: 53, IP: '::', Type: 'udp' },
    ],
    SizeRw: 12_288,
    SizeRootFs: 187_654_321,
    Labels: { app: 'web', tier: 'front' },
    State: 'running',
    Status: 'Up 3 minutes',
    HostConfig: { NetworkMode: 'default' },
    NetworkSettings: { Networks: { bridge: {} } },
    Mounts: [],
  },
  {
    Id: 'b'.repeat(64),
    Names: ['/job'],
    Image: imageId,
    ImageID: imageId,
    Command: 'true',
    Created: 1_690_000_000,
    Ports: [],
    SizeRw: 0,
    SizeRootFs: 4_300_000,
    Labels: {},
    State: 'exited',
    Status: 'Exited (0) 2 hours ago',
    HostConfig: { NetworkMode: 'none' },
    NetworkSettings: { Networks: {} },
    Mounts: [],
  },
];

const stats = {
  name: '/web',
  id,
  os_type: 'linux',
  read: '2025-11-21T01:00:01Z',
  preread: '2025-11-21T01:00:00Z',
  pids_stats: { current: 5 },
  blkio_stats: { io_service_bytes_recursive: [{ major: 8, minor: 0, op: 'read', value: 1_500_000 }] },
  cpu_stats: { cpu_usage: { total_usage: 3_000_000_000 }, system_cpu_usage: 10_000_000_000, online_cpus: 2 },
  precpu_stats: {
    cpu_usage: { total_usage: 2_900_000_000 },
    system_cpu_usage: 6_000_000_000,
    online_cpus: 2,
  },
  memory_stats: { usage: 123_456_789, limit: 1_073_741_824, stats: { inactive_file: 10_000_000 } },
  networks: { eth0: { rx_bytes: 1200, tx_bytes: 34 }, eth1: { rx_bytes: 1, tx_bytes: 1_000_000 } },
};

const images = [
  {
    Id: imageId,
    ParentId: '',
    RepoTags: ['busybox:latest', 'busybox:1.36'],
    RepoDigests: [`busybox@sha256:${'d'.repeat(64)}`],
    Created: 1_700_000_000,
    Size: 4_261_234,
    SharedSize: -1,
    Labels: null,
    Containers: -1,
  },
  {
    Id: `sha256:${'b'.repeat(64)}`,
    ParentId: '',
    RepoTags: ['localhost:5000/team/app:v1.2'],
    RepoDigests: [],
    Created: 1_600_000_000,
    Size: 1_234_567_890,
    SharedSize: -1,
    Labels: null,
    Containers: -1,
  },
  {
    Id: `sha256:${'e'.repeat(64)}`,
    ParentId: '',
    RepoTags: [],
    RepoDigests: [],
    Created: 1_650_000_000,
    Size: 999,
    SharedSize: -1,
    Labels: null,
    Containers: -1,
  },
];

const history = [
  {
    Id: imageId,
    Created: 1_700_000_000,
    CreatedBy: '/bin/sh -c #(nop)  CMD ["sh"]',
    Tags: ['busybox:latest'],
    Size: 0,
    Comment: '',
  },
  {
    Id: '<missing>',
    Created: 1_690_000_000,
    CreatedBy: '/bin/sh -c #(nop) ADD file:7d9bbf45a5b2510d44d4a2e6f5e2a3d3c1 in / ',
    Tags: null,
    Size: 4_261_234,
    Comment: 'imported',
  },
];

const event = {
  status: 'start',
  id,
  from: 'busybox',
  Type: 'container',
  Action: 'start',
  Actor: { ID: id, Attributes: { image: 'busybox', name: 'web', app: 'web' } },
  scope: 'local',
  time: 1_700_000_000,
  timeNano: 1_700_000_000_123_456_800,
};

export async function startRecordedDaemon(): Promise<FakeDaemon> {
  return await FakeDaemon.start(routes, hijacks);
}
