/** A container as Docker shows it: inspect, list, state. */
import type { ContainerSpec, ContainerView } from '../../engine/model/container.ts';
import { fromContainerResources } from './create/resources.ts';
import { humanDuration, toRfc3339, toUnixSeconds } from './time.ts';
import type {
  ContainerConfig,
  ContainerInspect,
  ContainerState,
  ContainerSummary,
  HostConfig,
  MountPoint,
} from './types.ts';

/** What Docker calls the storage driver: layers are EROFS images under an overlay, in the pod. */
export const storageDriver = 'erofs';

interface SizeOnDisk {
  readonly writableBytes: number;
  readonly rootBytes: number;
}

export function toInspect(view: ContainerView, size: SizeOnDisk | undefined): ContainerInspect {
  const { spec } = view;
  const [path = '', ...args] = [...spec.entrypoint, ...spec.cmd];
  return {
    Id: view.id,
    Created: toRfc3339(view.createdAt),
    Path: path,
    Args: args,
    State: toState(view),
    Image: spec.imageId,
    // These files exist inside the pod only.
    ResolvConfPath: '',
    HostnamePath: '',
    HostsPath: '',
    LogPath: view.logPath,
    Name: `/${spec.name}`,
    RestartCount: view.restartCount,
    Driver: storageDriver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: view.execIds.length === 0 ? null : view.execIds,
    HostConfig: toHostConfig(spec),
    GraphDriver: { Name: storageDriver, Data: null },
    ...(size !== undefined && { SizeRw: size.writableBytes, SizeRootFs: size.rootBytes }),
    Mounts: toMountPoints(spec),
    Config: toConfig(view),
    NetworkSettings: toNetworkSettings(spec),
  };
}

export function toSummary(
  view: ContainerView,
  now: Date,
  size: SizeOnDisk | undefined,
  minorVersion: number,
): ContainerSummary {
  const { spec } = view;
  const annotations = recordOf(spec.echo['Annotations']);
  return {
    Id: view.id,
    Names: [`/${spec.name}`],
    Image: spec.imageReference,
    ImageID: spec.imageId,
    Command: [...spec.entrypoint, ...spec.cmd]
      .map((word) => (word.includes(' ') ? `'${word}'` : word))
      .join(' '),
    Created: toUnixSeconds(view.createdAt),
    Ports: [],
    ...(size !== undefined && { SizeRw: size.writableBytes, SizeRootFs: size.rootBytes }),
    Labels: spec.labels,
    State: view.status,
    Status: toStatusLine(view, now),
    HostConfig: {
      NetworkMode: spec.networkMode,
      ...(minorVersion >= 46 && Object.keys(annotations).length > 0 && { Annotations: annotations }),
    },
    NetworkSettings: { Networks: toNetworks(spec) },
    Mounts: toMountPoints(spec),
  };
}

export function toState(view: ContainerView): ContainerState {
  const { status, exit } = view;
  const ended = status === 'exited' || status === 'dead' || status === 'restarting';
  return {
    Status: status,
    Running: status === 'running' || status === 'paused' || status === 'restarting',
    Paused: status === 'paused',
    Restarting: status === 'restarting',
    OOMKilled: exit?.oomKilled ?? false,
    Dead: status === 'dead',
    Pid: view.pid,
    ExitCode: ended || status === 'created' || status === 'removing' ? (exit?.exitCode ?? 0) : 0,
    Error: exit?.error ?? '',
    StartedAt: toRfc3339(view.startedAt),
    FinishedAt: toRfc3339(exit?.finishedAt),
  };
}

/** `ps`'s STATUS. */
export function toStatusLine(view: ContainerView, now: Date): string {
  const up = () => `Up ${humanDuration(now.getTime() - (view.startedAt ?? now).getTime())}`;
  const ended = () => {
    const since = humanDuration(now.getTime() - (view.exit?.finishedAt ?? now).getTime());
    return `(${view.exit?.exitCode ?? 0}) ${since} ago`;
  };
  switch (view.status) {
    case 'created':
      return 'Created';
    case 'running':
      return up();
    case 'paused':
      return `${up()} (Paused)`;
    case 'restarting':
      return `Restarting ${ended()}`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'exited':
      return `Exited ${ended()}`;
  }
}

function toConfig(view: ContainerView): ContainerConfig {
  const { spec } = view;
  const ports = recordOf(spec.echo['ExposedPorts']);
  const volumes = Array.isArray(spec.echo['ImageVolumes']) ? spec.echo['ImageVolumes'] : [];
  return {
    Hostname: spec.hostname === '' ? view.id.slice(0, 12) : spec.hostname,
    Domainname: spec.domainname,
    User: spec.user,
    AttachStdin: spec.attachStdin,
    AttachStdout: spec.attachStdout,
    AttachStderr: spec.attachStderr,
    ...(Object.keys(ports).length > 0 && { ExposedPorts: nameSet(Object.keys(ports)) }),
    Tty: spec.tty,
    OpenStdin: spec.openStdin,
    StdinOnce: spec.stdinOnce,
    Env: spec.env,
    Cmd: spec.cmd.length === 0 ? null : spec.cmd,
    Image: spec.imageReference,
    Volumes: volumes.length === 0 ? null : nameSet(volumes.map(String)),
    WorkingDir: spec.workingDir,
    Entrypoint: spec.entrypoint.length === 0 ? null : spec.entrypoint,
    OnBuild: null,
    Labels: spec.labels,
    StopSignal: spec.stopSignal,
    ...(spec.stopTimeoutSeconds !== undefined && { StopTimeout: spec.stopTimeoutSeconds }),
  };
}

function toHostConfig(spec: ContainerSpec): HostConfig & Readonly<Record<string, unknown>> {
  const { restartPolicy, log, echo } = spec;
  const annotations = recordOf(echo['Annotations']);
  const securityOptions = Array.isArray(echo['SecurityOpt']) ? echo['SecurityOpt'].map(String) : [];
  return {
    ...fromContainerResources(spec.resources),
    Binds: null,
    ContainerIDFile: typeof echo['ContainerIDFile'] === 'string' ? echo['ContainerIDFile'] : '',
    LogConfig: {
      Type: log.driver,
      Config: {
        ...(log.maxSizeBytes !== undefined && { 'max-size': String(log.maxSizeBytes) }),
        ...(log.maxFiles !== undefined && { 'max-file': String(log.maxFiles) }),
      },
    },
    NetworkMode: spec.networkMode,
    PortBindings: {},
    RestartPolicy: {
      Name: restartPolicy.name,
      MaximumRetryCount: restartPolicy.name === 'on-failure' ? restartPolicy.maximumRetryCount : 0,
    },
    AutoRemove: spec.autoRemove,
    VolumeDriver: '',
    VolumesFrom: null,
    ConsoleSize: consoleSizeOf(spec),
    ...(Object.keys(annotations).length > 0 && { Annotations: annotations }),
    CapAdd: listOrNull(spec.capAdd),
    CapDrop: listOrNull(spec.capDrop),
    CgroupnsMode: 'private',
    Dns: [],
    DnsOptions: [],
    DnsSearch: [],
    ExtraHosts: null,
    GroupAdd: listOrNull(spec.additionalGroups),
    IpcMode: 'private',
    Cgroup: '',
    Links: null,
    OomScoreAdj: spec.oomScoreAdj,
    PidMode: '',
    Privileged: spec.privileged,
    PublishAllPorts: false,
    ReadonlyRootfs: spec.readonlyRootfs,
    SecurityOpt: listOrNull(securityOptions),
    ...(spec.storageSizeBytes !== undefined && { StorageOpt: { size: String(spec.storageSizeBytes) } }),
    ...(spec.mounts.length > 0 && {
      Tmpfs: Object.fromEntries(spec.mounts.map((mount) => [mount.target, mount.options.join(',')])),
    }),
    UTSMode: '',
    UsernsMode: '',
    ShmSize: spec.shmSizeBytes,
    ...(Object.keys(spec.sysctls).length > 0 && { Sysctls: spec.sysctls }),
    Runtime: 'microvm',
    Isolation: '',
    CgroupParent: '',
    BlkioWeight: 0,
    BlkioWeightDevice: [],
    BlkioDeviceReadBps: [],
    BlkioDeviceWriteBps: [],
    BlkioDeviceReadIOps: [],
    BlkioDeviceWriteIOps: [],
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpusetCpus: '',
    CpusetMems: '',
    Devices: [],
    DeviceCgroupRules: null,
    DeviceRequests: null,
    MemorySwappiness: null,
    OomKillDisable: null,
    Ulimits: spec.rlimits.map(({ resource, soft, hard }) => ({ Name: resource, Hard: hard, Soft: soft })),
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    MaskedPaths: null,
    ReadonlyPaths: null,
    ...(spec.init && { Init: true }),
  };
}

function toMountPoints(spec: ContainerSpec): readonly MountPoint[] {
  return spec.mounts.map((mount) => ({
    Type: mount.type,
    Source: '',
    Destination: mount.target,
    Mode: mount.options.join(','),
    RW: !mount.options.includes('ro'),
    Propagation: '',
  }));
}

function toNetworkSettings(spec: ContainerSpec): Readonly<Record<string, unknown>> {
  return {
    Bridge: '',
    SandboxID: '',
    SandboxKey: '',
    Ports: {},
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: '',
    Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    MacAddress: '',
    Networks: toNetworks(spec),
  };
}

/** Until networks exist every container is on `none`: a loopback interface of its own. */
function toNetworks(spec: ContainerSpec): Readonly<Record<string, unknown>> {
  return {
    none: {
      IPAMConfig: null,
      Links: null,
      Aliases: null,
      MacAddress: '',
      DriverOpts: null,
      GwPriority: 0,
      NetworkID: noneNetworkId,
      EndpointID: '',
      Gateway: '',
      IPAddress: '',
      IPPrefixLen: 0,
      IPv6Gateway: '',
      GlobalIPv6Address: '',
      GlobalIPv6PrefixLen: 0,
      DNSNames: spec.name === '' ? null : [spec.name],
    },
  };
}

/** SHA-256 of "none", so that it never changes. */
export const noneNetworkId = '140bedbf9c3f6d56a9846d2ba7088798683f4da0c248231336e6a05679e4fdfe';

function consoleSizeOf(spec: ContainerSpec): readonly [number, number] {
  const size = spec.echo['ConsoleSize'];
  if (!Array.isArray(size)) return [0, 0];
  return [Number(size[0] ?? 0), Number(size[1] ?? 0)];
}

function listOrNull(list: readonly string[]): readonly string[] | null {
  return list.length === 0 ? null : list;
}

function nameSet(names: readonly string[]): Readonly<Record<string, Readonly<Record<string, never>>>> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

/** A map of texts that came through JSON. */
function recordOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, content]) => [key, String(content)]));
}
