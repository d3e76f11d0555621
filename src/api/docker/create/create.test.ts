import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '../../../errors/engine-error.ts';
import { fakeImage } from '../testing/fake-images.ts';
import { toContainerSpec } from './container-spec.ts';
import { createSchema } from './create-schema.ts';

/** What `docker create busybox true` of 28.2 sends, to the last default. */
const dockerCliBody = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: ['true'],
  Image: 'busybox',
  Volumes: {},
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
  HostConfig: {
    Binds: null,
    ContainerIDFile: '',
    LogConfig: { Type: '', Config: {} },
    NetworkMode: 'default',
    PortBindings: {},
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    AutoRemove: false,
    VolumeDriver: '',
    VolumesFrom: null,
    ConsoleSize: [0, 0],
    CapAdd: null,
    CapDrop: null,
    CgroupnsMode: '',
    Dns: [],
    DnsOptions: [],
    DnsSearch: [],
    ExtraHosts: null,
    GroupAdd: null,
    IpcMode: '',
    Cgroup: '',
    Links: null,
    OomScoreAdj: 0,
    PidMode: '',
    Privileged: false,
    PublishAllPorts: false,
    ReadonlyRootfs: false,
    SecurityOpt: null,
    UTSMode: '',
    UsernsMode: '',
    ShmSize: 0,
    Isolation: '',
    CpuShares: 0,
    Memory: 0,
    NanoCpus: 0,
    CgroupParent: '',
    BlkioWeight: 0,
    BlkioWeightDevice: [],
    BlkioDeviceReadBps: [],
    BlkioDeviceWriteBps: [],
    BlkioDeviceReadIOps: [],
    BlkioDeviceWriteIOps: [],
    CpuPeriod: 0,
    CpuQuota: 0,
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpusetCpus: '',
    CpusetMems: '',
    Devices: [],
    DeviceCgroupRules: null,
    DeviceRequests: null,
    MemoryReservation: 0,
    MemorySwap: 0,
    MemorySwappiness: -1,
    OomKillDisable: false,
    PidsLimit: 0,
    Ulimits: [],
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    MaskedPaths: null,
    ReadonlyPaths: null,
  },
  NetworkingConfig: {
    EndpointsConfig: {
      default: { IPAMConfig: null, Links: null, MacAddress: '', GwPriority: 0, DNSNames: null },
    },
  },
};

function specOf(change: { readonly [field: string]: unknown; readonly HostConfig?: object }) {
  const body = {
    ...dockerCliBody,
    ...change,
    HostConfig: { ...dockerCliBody.HostConfig, ...change.HostConfig },
  };
  return toContainerSpec('x', createSchema.parse(body), fakeImage);
}

test('the defaults that the docker client sends are accepted, and the image fills the gaps', () => {
  assert.deepEqual(specOf({}), {
    name: 'x',
    imageReference: 'busybox',
    imageId: fakeImage.id,
    entrypoint: [],
    cmd: ['true'],
    env: ['PATH=/usr/bin:/bin'],
    workingDir: '',
    user: '',
    stopSignal: 'SIGTERM',
    labels: { made: 'here' },
    additionalGroups: [],
    hostname: '',
    domainname: '',
    tty: false,
    openStdin: false,
    stdinOnce: false,
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    restartPolicy: { name: 'no' },
    autoRemove: false,
    readonlyRootfs: false,
    init: false,
    privileged: false,
    capAdd: [],
    capDrop: [],
    noNewPrivileges: false,
    mounts: [],
    rlimits: [],
    sysctls: {},
    shmSizeBytes: 64 << 20,
    oomScoreAdj: 0,
    resources: {},
    networkMode: 'default',
    log: { driver: 'json-file' },
    echo: {
      ExposedPorts: { '80/tcp': {} },
      ImageVolumes: [],
      Annotations: {},
      ContainerIDFile: '',
      SecurityOpt: [],
      ConsoleSize: [0, 0],
    },
  });
});

test('a body with an image alone is enough', () => {
  assert.deepEqual(toContainerSpec('', createSchema.parse({ Image: 'busybox' }), fakeImage).cmd, ['sh']);
});

test('every flag of run reaches the engine', () => {
  const spec = specOf({
    User: '1:2',
    WorkingDir: '/w',
    Entrypoint: ['sh'],
    Cmd: ['-c', 'x'],
    Env: ['A=b'],
    StopSignal: 'INT',
    StopTimeout: 3,
    Hostname: 'h',
    Labels: { a: 'b' },
    HostConfig: {
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '4' } },
      Tmpfs: { '/run': 'size=1m,ro' },
      Mounts: [{ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 4096, Mode: 0o700 } }],
      Memory: 64 << 20,
      MemorySwap: -1,
      NanoCpus: 1_500_000_000,
      PidsLimit: 7,
      Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
      CapAdd: ['CAP_NET_ADMIN'],
      CapDrop: ['ALL'],
      Init: true,
      ReadonlyRootfs: true,
      Privileged: true,
      GroupAdd: ['audio'],
      SecurityOpt: ['no-new-privileges', 'seccomp=unconfined'],
      StorageOpt: { size: '1G' },
      Sysctls: { 'net.core.somaxconn': '9' },
      ShmSize: 1 << 20,
      Annotations: { 'dvm.kernel': '/boot/k' },
      NetworkMode: 'none',
    },
    NetworkingConfig: { EndpointsConfig: {} },
  });
  assert.deepEqual(
    { ...spec, echo: undefined },
    {
      ...specOf({}),
      user: '1:2',
      workingDir: '/w',
      entrypoint: ['sh'],
      cmd: ['-c', 'x'],
      env: ['A=b', 'PATH=/usr/bin:/bin'],
      stopSignal: 'INT',
      stopTimeoutSeconds: 3,
      hostname: 'h',
      labels: { made: 'here', a: 'b' },
      restartPolicy: { name: 'on-failure', maximumRetryCount: 3 },
      log: { driver: 'json-file', maxSizeBytes: 1 << 20, maxFiles: 4 },
      mounts: [
        { type: 'tmpfs', target: '/run', options: ['size=1m', 'ro'] },
        { type: 'tmpfs', target: '/t', options: ['size=4096', 'mode=700'] },
      ],
      resources: {
        memoryMaxBytes: 64 << 20,
        memorySwapBytes: -1,
        cpuQuotaUs: 150_000,
        cpuPeriodUs: 100_000,
        pidsMax: 7,
      },
      rlimits: [{ resource: 'nofile', soft: 1, hard: 2 }],
      capAdd: ['CAP_NET_ADMIN'],
      capDrop: ['ALL'],
      init: true,
      readonlyRootfs: true,
      privileged: true,
      additionalGroups: ['audio'],
      noNewPrivileges: true,
      storageSizeBytes: 1 << 30,
      sysctls: { 'net.core.somaxconn': '9' },
      shmSizeBytes: 1 << 20,
      kernelPath: '/boot/k',
      networkMode: 'none',
      echo: undefined,
    },
  );
});

const refusals: Readonly<
  Record<string, { readonly [field: string]: unknown; readonly HostConfig?: object }>
> = {
  'HostConfig.Binds': { HostConfig: { Binds: ['/a:/b'] } },
  'HostConfig.PortBindings': { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '80' }] } } },
  'HostConfig.PortBindings, to any port': {
    HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '' }] } },
  },
  'HostConfig.PublishAllPorts': { HostConfig: { PublishAllPorts: true } },
  'HostConfig.VolumesFrom': { HostConfig: { VolumesFrom: ['x'] } },
  'HostConfig.Devices': { HostConfig: { Devices: [{ PathOnHost: '/dev/kvm' }] } },
  'HostConfig.DeviceRequests': { HostConfig: { DeviceRequests: [{ Driver: 'nvidia', Count: -1 }] } },
  'HostConfig.NetworkMode': { HostConfig: { NetworkMode: 'host' } },
  'HostConfig.PidMode': { HostConfig: { PidMode: 'host' } },
  'HostConfig.IpcMode': { HostConfig: { IpcMode: 'host' } },
  'HostConfig.UTSMode': { HostConfig: { UTSMode: 'host' } },
  'HostConfig.UsernsMode': { HostConfig: { UsernsMode: 'host' } },
  'HostConfig.CgroupnsMode': { HostConfig: { CgroupnsMode: 'host' } },
  'HostConfig.CpusetCpus': { HostConfig: { CpusetCpus: '0' } },
  'HostConfig.BlkioWeight': { HostConfig: { BlkioWeight: 10 } },
  'HostConfig.OomKillDisable': { HostConfig: { OomKillDisable: true } },
  'HostConfig.MemorySwappiness': { HostConfig: { MemorySwappiness: 0.5 } },
  'HostConfig.MaskedPaths': { HostConfig: { MaskedPaths: [] } },
  'HostConfig.ExtraHosts': { HostConfig: { ExtraHosts: ['a:1.2.3.4'] } },
  'HostConfig.Dns': { HostConfig: { Dns: ['1.1.1.1'] } },
  'HostConfig.SecurityOpt': { HostConfig: { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] } },
  'HostConfig.StorageOpt.foo': { HostConfig: { StorageOpt: { foo: 'bar' } } },
  'HostConfig.LogConfig.Config.labels': {
    HostConfig: { LogConfig: { Type: 'json-file', Config: { labels: 'x' } } },
  },
  'HostConfig.LogConfig.Type': { HostConfig: { LogConfig: { Type: 'syslog', Config: {} } } },
  'HostConfig.Runtime': { HostConfig: { Runtime: 'runc' } },
  'HostConfig.SomethingNew': { HostConfig: { SomethingNew: 1 } },
  'NetworkingConfig.EndpointsConfig': { NetworkingConfig: { EndpointsConfig: { mine: {} } } },
  'NetworkingConfig.EndpointsConfig.default': {
    NetworkingConfig: { EndpointsConfig: { default: { Aliases: ['a'] } } },
  },
  Healthcheck: { Healthcheck: { Test: ['CMD', 'true'] } },
  Volumes: { Volumes: { '/data': {} } },
  MacAddress: { MacAddress: '00:11:22:33:44:55' },
  NetworkDisabled: { NetworkDisabled: true },
  OnBuild: { OnBuild: ['RUN x'] },
  SomethingNew: { SomethingNew: 'x' },
};

for (const [name, change] of Object.entries(refusals)) {
  test(`${name} is refused by name`, () => {
    assert.throws(
      () => specOf(change),
      (error: unknown) =>
        error instanceof EngineError &&
        error.code === 'unimplemented' &&
        error.message.startsWith(name.split(',')[0] ?? name),
    );
  });
}

const invalid: Readonly<Record<string, { readonly [field: string]: unknown; readonly HostConfig?: object }>> =
  {
    'working directory': { WorkingDir: 'relative' },
    'annotation dvm.kernel': { HostConfig: { Annotations: { 'dvm.kernel': 'relative' } } },
    'max-size': { HostConfig: { LogConfig: { Type: '', Config: { 'max-size': 'big' } } } },
    'max-file': { HostConfig: { LogConfig: { Type: '', Config: { 'max-file': '0' } } } },
    'maximum retry count': { HostConfig: { RestartPolicy: { Name: 'always', MaximumRetryCount: 2 } } },
    'Nano CPUs': { HostConfig: { NanoCpus: 1, CpuQuota: 5000 } },
    'tmpfs mount "/"': { HostConfig: { Tmpfs: { '/': '' } } },
  };

for (const [words, change] of Object.entries(invalid)) {
  test(`an invalid request says "${words}"`, () => {
    assert.throws(
      () => specOf(change),
      (error: unknown) =>
        error instanceof EngineError && error.code === 'invalid_argument' && error.message.includes(words),
    );
  });
}
