/** POST /containers/create: Docker's request and the image's defaults become the engine's ContainerSpec. */
import { EngineError } from '../../../errors/engine-error.ts';
import type { ContainerSpec } from '../../../engine/model/container.ts';
import type { Json } from '../../../engine/model/json.ts';
import type { Image } from '../../../engine/ports/images.ts';
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
import { commandOf, environmentOf } from './image-defaults.ts';
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
  const command = commandOf(body, image.config);
  if (command.entrypoint.length + command.cmd.length === 0)
    throw new EngineError('invalid_argument', 'no command specified');
  const storageSizeBytes = toStorageSize(host.StorageOpt ?? {});
  const kernelPath = host.Annotations?.[kernelAnnotation];
  return {
    name: name.replace(/^\//, ''),
    imageReference: body.Image,
    imageId: image.id,
    ...command,
    env: environmentOf(image.config.env, body.Env ?? []),
    workingDir: workingDirOf(body.WorkingDir, image.config.workingDir),
    user: body.User === undefined || body.User === '' ? image.config.user : body.User,
    additionalGroups: host.GroupAdd ?? [],
    hostname: body.Hostname ?? '',
    domainname: body.Domainname ?? '',
    tty: body.Tty ?? false,
    openStdin: body.OpenStdin ?? false,
    stdinOnce: body.StdinOnce ?? false,
    attachStdin: body.AttachStdin ?? false,
    attachStdout: body.AttachStdout ?? false,
    attachStderr: body.AttachStderr ?? false,
    labels: { ...image.config.labels, ...body.Labels },
    stopSignal:
      body.StopSignal === undefined || body.StopSignal === ''
        ? (image.config.stopSignal ?? 'SIGTERM')
        : body.StopSignal,
    ...(body.StopTimeout !== undefined && { stopTimeoutSeconds: body.StopTimeout }),
    restartPolicy: restartPolicyOf(host),
    autoRemove: host.AutoRemove ?? false,
    readonlyRootfs: host.ReadonlyRootfs ?? false,
    init: host.Init ?? false,
    privileged: host.Privileged ?? false,
    capAdd: host.CapAdd ?? [],
    capDrop: host.CapDrop ?? [],
    noNewPrivileges: toNoNewPrivileges(host.SecurityOpt ?? []),
    mounts: toMounts(host),
    rlimits: (host.Ulimits ?? []).map(toRlimit),
    sysctls: host.Sysctls ?? {},
    shmSizeBytes: host.ShmSize === undefined || host.ShmSize === 0 ? defaultShmSizeBytes : host.ShmSize,
    oomScoreAdj: host.OomScoreAdj ?? 0,
    resources: toContainerResources(host),
    networkMode: toNetworkMode(host.NetworkMode, body.NetworkingConfig?.EndpointsConfig),
    log: toLogOptions(host.LogConfig),
    ...(storageSizeBytes !== undefined && { storageSizeBytes }),
    ...(kernelPath !== undefined && { kernelPath: absolute(kernelPath, `annotation ${kernelAnnotation}`) }),
    echo: echoOf(body, host, image),
  };
}

/** What inspect shows again and nothing else looks at. */
function echoOf(body: CreateBody, host: HostConfigBody, image: Image): { readonly [key: string]: Json } {
  const ports = [...image.config.exposedPorts, ...Object.keys(body.ExposedPorts ?? {})];
  return {
    ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])),
    ImageVolumes: [...image.config.volumes],
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

function restartPolicyOf(host: HostConfigBody) {
  const policy = toRestartPolicy(host.RestartPolicy);
  if (host.AutoRemove === true && policy.name !== 'no')
    throw new EngineError('invalid_argument', "can't create 'AutoRemove' container with restart policy");
  return policy;
}

function workingDirOf(given: string | undefined, ofImage: string): string {
  if (given === undefined || given === '') return ofImage === '' ? '/' : ofImage;
  return absolute(given, 'the working directory');
}

function absolute(path: string, what: string): string {
  if (path.startsWith('/')) return path;
  throw new EngineError('invalid_argument', `${what} '${path}' is invalid, it needs to be an absolute path`);
}

function toRlimit(ulimit: { readonly Name: string; readonly Soft: number; readonly Hard: number }) {
  if (ulimit.Hard !== -1 && (ulimit.Soft === -1 || ulimit.Soft > ulimit.Hard))
    throw new EngineError(
      'invalid_argument',
      `ulimit ${ulimit.Name}: soft limit ${ulimit.Soft} is above hard limit ${ulimit.Hard}`,
    );
  return { resource: ulimit.Name, soft: ulimit.Soft, hard: ulimit.Hard };
}
