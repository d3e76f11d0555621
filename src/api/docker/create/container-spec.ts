/** POST /containers/create: Docker's request and the image's defaults become the engine's ContainerSpec. */
import { EngineError } from '../../../errors/engine-error.ts';
import type { ContainerSpec } from '../../../engine/model/container.ts';
import type { Json } from '../../../engine/model/json.ts';
import type { Image } from '../../../engine/ports/images.ts';
import { resolveSpec } from '../../../engine/resolve-spec.ts';
import { configShape, hostConfigShape } from './create-schema.ts';
import type { CreateBody, HostConfigBody } from './create-schema.ts';
import {
  toLogOptions,
  toMounts,
  toNetworkMode,
  toNoNewPrivileges,
  toRestartPolicy,
  toStorageSize,
} from './host-options.ts';
import { refusal, refuseOtherFields } from './refuse-fields.ts';
import { toContainerResources } from './resources.ts';

const configFields: ReadonlySet<string> = new Set([
  ...Object.keys(configShape),
  'HostConfig',
  'NetworkingConfig',
]);
const hostConfigFields: ReadonlySet<string> = new Set(Object.keys(hostConfigShape));

/** The annotation by which `dvm run --kernel` names a kernel of the user's own. */
export const kernelAnnotation = 'dvm.kernel';

const defaultShmSizeBytes = 64 << 20;

/** `name` may be empty: the engine then makes one up. */
export function toContainerSpec(name: string, body: CreateBody, image: Image): ContainerSpec {
  refuseOtherFields('', body, configFields);
  const host = body.HostConfig;
  refuseOtherFields('HostConfig', host, hostConfigFields);
  refuseOtherFields('NetworkingConfig', body.NetworkingConfig ?? {}, new Set(['EndpointsConfig']));
  refuseHealthcheck(body.Healthcheck);
  if (host.Runtime !== undefined && !['', 'dvm', 'microvm'].includes(host.Runtime))
    throw refusal('HostConfig.Runtime', host.Runtime, 'the runtime is microvm');
  const { exposedPorts, volumes, ...run } = resolveSpec(
    {
      entrypoint: body.Entrypoint,
      cmd: body.Cmd,
      env: body.Env,
      user: body.User,
      workingDir: body.WorkingDir,
      stopSignal: body.StopSignal,
      labels: body.Labels,
      exposedPorts: Object.keys(body.ExposedPorts ?? {}),
    },
    image.config,
  );
  const storageSizeBytes = toStorageSize(host.StorageOpt ?? {});
  const kernelPath = host.Annotations?.[kernelAnnotation];
  return {
    name: name.replace(/^\//, ''),
    imageReference: body.Image,
    imageId: image.id,
    ...run,
    additionalGroups: host.GroupAdd ?? [],
    hostname: body.Hostname ?? '',
    domainname: body.Domainname ?? '',
    tty: body.Tty ?? false,
    openStdin: body.OpenStdin ?? false,
    stdinOnce: body.StdinOnce ?? false,
    attachStdin: body.AttachStdin ?? false,
    attachStdout: body.AttachStdout ?? false,
    attachStderr: body.AttachStderr ?? false,
    ...(body.StopTimeout !== undefined && { stopTimeoutSeconds: body.StopTimeout }),
    restartPolicy: toRestartPolicy(host.RestartPolicy),
    autoRemove: host.AutoRemove ?? false,
    readonlyRootfs: host.ReadonlyRootfs ?? false,
    init: host.Init ?? false,
    privileged: host.Privileged ?? false,
    capAdd: host.CapAdd ?? [],
    capDrop: host.CapDrop ?? [],
    noNewPrivileges: toNoNewPrivileges(host.SecurityOpt ?? []),
    mounts: toMounts(host),
    rlimits: (host.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({ resource: Name, soft: Soft, hard: Hard })),
    sysctls: host.Sysctls ?? {},
    shmSizeBytes: host.ShmSize === undefined || host.ShmSize === 0 ? defaultShmSizeBytes : host.ShmSize,
    oomScoreAdj: host.OomScoreAdj ?? 0,
    resources: toContainerResources(host),
    networkMode: toNetworkMode(host.NetworkMode, body.NetworkingConfig?.EndpointsConfig),
    log: toLogOptions(host.LogConfig),
    ...(storageSizeBytes !== undefined && { storageSizeBytes }),
    ...(kernelPath !== undefined && { kernelPath: absolute(kernelPath, `annotation ${kernelAnnotation}`) }),
    echo: echoOf(host, exposedPorts, volumes),
  };
}

/** What inspect shows again and nothing else looks at. */
function echoOf(
  host: HostConfigBody,
  exposedPorts: readonly string[],
  imageVolumes: readonly string[],
): { readonly [key: string]: Json } {
  return {
    ExposedPorts: Object.fromEntries(exposedPorts.map((port) => [port, {}])),
    ImageVolumes: [...imageVolumes],
    Annotations: { ...host.Annotations },
    ContainerIDFile: host.ContainerIDFile ?? '',
    SecurityOpt: [...(host.SecurityOpt ?? [])],
    ConsoleSize: [...(host.ConsoleSize ?? [0, 0])],
  };
}

function refuseHealthcheck(given: CreateBody['Healthcheck']): void {
  const test = given?.Test ?? [];
  if (test.length > 0 && test[0] !== 'NONE') throw refusal('Healthcheck', given);
}

function absolute(path: string, what: string): string {
  if (path.startsWith('/')) return path;
  throw new EngineError('invalid_argument', `${what} '${path}' is invalid, it needs to be an absolute path`);
}
