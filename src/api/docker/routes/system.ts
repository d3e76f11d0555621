/** The daemon as a whole: ping, version, info, disk usage. */
import { arch, availableParallelism, hostname, release, totalmem } from 'node:os';
import * as z from 'zod';
import type { Engine } from '../../../engine/service.ts';
import type { ImageStore } from '../../../engine/ports/images.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { apiVersion, minApiVersion } from '../api-version.ts';
import { storageDriver, toSummary } from '../container-view.ts';
import { textList } from '../query.ts';
import type { DiskUsageResponse, InfoResponse, VersionResponse } from '../types.ts';
import { summaryOf } from './images.ts';

export interface SystemBackend {
  readonly engine: Pick<Engine, 'info' | 'list' | 'size'>;
  readonly images: Pick<ImageStore, 'list' | 'usage'>;
  readonly host: HostFacts;
}

/** What the daemon knows of itself and its host. */
export interface HostFacts {
  readonly version: string;
  /** Debian GNU/Linux 12 (bookworm) */
  readonly operatingSystem: string;
  readonly registryMirrors: readonly string[];
  readonly insecureRegistries: readonly string[];
}

export function systemRoutes(app: ZodFastify, backend: SystemBackend): void {
  const { engine, host } = backend;

  app.get('/_ping', async (_request, reply) => {
    return await reply
      .headers({ 'Cache-Control': 'no-cache, no-store, must-revalidate', Pragma: 'no-cache' })
      .headers({ 'Builder-Version': '1', Swarm: 'inactive' })
      .type('text/plain; charset=utf-8')
      .send('OK');
  });

  app.get('/version', (): VersionResponse => {
    const { runtime } = engine.info();
    return {
      Platform: { Name: 'DVM' },
      Components: [
        {
          Name: 'Engine',
          Version: host.version,
          Details: {
            ApiVersion: apiVersion,
            MinAPIVersion: minApiVersion,
            Os: 'linux',
            Arch: goArchitecture(),
            KernelVersion: release(),
          },
        },
        { Name: runtime.vmm, Version: runtime.vmmVersion, Details: { Accelerator: runtime.accelerator } },
        {
          Name: 'guest kernel',
          Version: runtime.kernelRelease,
          Details: { Kind: runtime.kernelKind, Path: runtime.kernelPath },
        },
      ],
      Version: host.version,
      ApiVersion: apiVersion,
      MinAPIVersion: minApiVersion,
      GitCommit: '',
      GoVersion: '',
      Os: 'linux',
      Arch: goArchitecture(),
      KernelVersion: release(),
    };
  });

  app.get('/info', (): InfoResponse => toInfo(backend));

  app.get(
    '/system/df',
    { schema: { querystring: z.object({ type: textList }) } },
    async (request): Promise<DiskUsageResponse> => {
      const kinds = request.query.type;
      const known = ['container', 'image', 'volume', 'build-cache'];
      const unknown = kinds.find((kind) => !known.includes(kind));
      if (unknown !== undefined) throw new EngineError('invalid_argument', `unknown object type: ${unknown}`);
      const wants = (kind: string) => kinds.length === 0 || kinds.includes(kind);
      const now = new Date();
      const containers = wants('container') ? engine.list({ all: true, filters: {} }) : [];
      return {
        LayersSize: wants('image') ? backend.images.usage().bytes : 0,
        Images: wants('image')
          ? backend.images.list({}).map((image) => summaryOf(image, backend, true, request.apiMinor))
          : [],
        Containers: await Promise.all(
          containers.map(async (view) => toSummary(view, now, await engine.size(view.id), request.apiMinor)),
        ),
        Volumes: [],
        BuildCache: [],
      };
    },
  );
}

function toInfo({ engine, images, host }: SystemBackend): InfoResponse {
  const { id, containers, images: imageCount, runtime, dataDirectory, warnings } = engine.info();
  const usage = images.usage();
  return {
    ID: id,
    Containers: containers.running + containers.paused + containers.stopped,
    ContainersRunning: containers.running,
    ContainersPaused: containers.paused,
    ContainersStopped: containers.stopped,
    Images: imageCount,
    Driver: storageDriver,
    DriverStatus: [
      ['Layers', String(usage.layers)],
      ['Layer Bytes', String(usage.bytes)],
      ['Sandbox', runtime.name],
      ['VMM', `${runtime.vmm} ${runtime.vmmVersion}`],
      ['Accelerator', runtime.accelerator],
      ['Guest Kernel', `${runtime.kernelRelease} (${runtime.kernelKind})`],
      ['Guest Kernel Path', runtime.kernelPath],
      ['Templates', String(runtime.templates)],
      ['Pool', `${runtime.pool.ready} of ${runtime.pool.target} ready`],
      [
        'Default Machine',
        `${runtime.defaultVcpus} vCPU, ${Math.round(runtime.defaultMemoryBytes / 2 ** 20)} MiB`,
      ],
    ],
    Plugins: { Volume: [], Network: ['none'], Authorization: null, Log: ['json-file', 'none'] },
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: false,
    PidsLimit: true,
    IPv4Forwarding: true,
    Debug: false,
    NFd: 0,
    OomKillDisable: false,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: 'json-file',
    CgroupDriver: 'none',
    CgroupVersion: '2',
    NEventsListener: 0,
    KernelVersion: release(),
    OperatingSystem: host.operatingSystem,
    OSVersion: '',
    OSType: 'linux',
    Architecture: unameArchitecture(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: {
      InsecureRegistryCIDRs: ['127.0.0.0/8'],
      IndexConfigs: Object.fromEntries(
        ['docker.io', ...host.insecureRegistries].map((name) => [
          name,
          {
            Name: name,
            Mirrors: name === 'docker.io' ? host.registryMirrors : [],
            Secure: name === 'docker.io',
            Official: name === 'docker.io',
          },
        ]),
      ),
      Mirrors: host.registryMirrors.length === 0 ? null : host.registryMirrors,
    },
    NCPU: availableParallelism(),
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: dataDirectory,
    HttpProxy: process.env['HTTP_PROXY'] ?? '',
    HttpsProxy: process.env['HTTPS_PROXY'] ?? '',
    NoProxy: process.env['NO_PROXY'] ?? '',
    Name: hostname(),
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: host.version,
    Runtimes: { [runtime.name]: { path: runtime.vmm } },
    DefaultRuntime: runtime.name,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: 'dvm-agent',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: [`name=microvm`],
    CDISpecDirs: [],
    Warnings: warnings.length === 0 ? null : warnings,
  };
}

function goArchitecture(): string {
  const name = arch();
  return name === 'x64' ? 'amd64' : name;
}

function unameArchitecture(): string {
  const name = arch();
  return name === 'x64' ? 'x86_64' : name === 'arm64' ? 'aarch64' : name;
}
