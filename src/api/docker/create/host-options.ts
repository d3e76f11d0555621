/** The parts of HostConfig that need more than a look: restart, logging, mounts, network, security, storage. */
import { EngineError } from '../../../errors/engine-error.ts';
import type { ContainerSpec, LogOptions, RestartPolicy } from '../../../engine/model/container.ts';
import type { MountSpec } from '../../../engine/ports/pod-runtime.ts';
import { parseBytes } from './byte-size.ts';
import type { HostConfigBody } from './create-schema.ts';
import { isEmpty, refusal } from './refuse-fields.ts';

export function toRestartPolicy(given: HostConfigBody['RestartPolicy']): RestartPolicy {
  const name = given?.Name ?? '';
  const retries = given?.MaximumRetryCount ?? 0;
  if (name === 'on-failure') return { name, maximumRetryCount: retries };
  if (retries !== 0)
    throw new EngineError(
      'invalid_argument',
      'invalid restart policy: maximum retry count can only be used with "on-failure"',
    );
  return { name: name === '' ? 'no' : name };
}

export function toLogOptions(given: HostConfigBody['LogConfig']): LogOptions {
  const type = given?.Type ?? '';
  const options = given?.Config ?? {};
  if (type !== '' && type !== 'json-file' && type !== 'none')
    throw new EngineError(
      'unimplemented',
      `HostConfig.LogConfig.Type "${type}" is not supported: use json-file or none`,
    );
  const { 'max-size': maxSize, 'max-file': maxFile, ...others } = options;
  for (const [name, value] of Object.entries(others))
    throw refusal(`HostConfig.LogConfig.Config.${name}`, value);
  if (type === 'none' && Object.keys(options).length > 0)
    throw new EngineError('invalid_argument', 'the log driver "none" takes no options');
  return {
    driver: type === 'none' ? 'none' : 'json-file',
    ...(maxSize !== undefined && { maxSizeBytes: parseBytes(maxSize, 'log option max-size') }),
    ...(maxFile !== undefined && { maxFiles: parseMaxFiles(maxFile) }),
  };
}

function parseMaxFiles(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw new EngineError(
      'invalid_argument',
      `log option max-file: "${text}" is not a number from 1 to 9999`,
    );
  return Number(text);
}

/** --tmpfs and --mount type=tmpfs. */
export function toMounts(host: HostConfigBody): readonly MountSpec[] {
  const fromTmpfs = Object.entries(host.Tmpfs ?? {}).map(([target, options]) =>
    tmpfs(target, options === '' ? [] : options.split(',')),
  );
  const fromMounts = (host.Mounts ?? []).map((mount) => {
    const { SizeBytes, Mode, Options } = mount.TmpfsOptions ?? {};
    return tmpfs(mount.Target, [
      ...(mount.ReadOnly === true ? ['ro'] : []),
      ...(SizeBytes !== undefined && SizeBytes > 0 ? [`size=${SizeBytes}`] : []),
      ...(Mode !== undefined && Mode > 0 ? [`mode=${Mode.toString(8)}`] : []),
      ...(Options ?? []).map((option) => option.join('=')),
    ]);
  });
  const mounts = [...fromTmpfs, ...fromMounts];
  const twice = mounts.find((mount, index) => mounts.findIndex((m) => m.target === mount.target) !== index);
  if (twice !== undefined)
    throw new EngineError('invalid_argument', `Duplicate mount point: ${twice.target}`);
  return mounts;
}

function tmpfs(target: string, options: readonly string[]): MountSpec {
  if (!target.startsWith('/') || target === '/')
    throw new EngineError(
      'invalid_argument',
      `invalid tmpfs mount "${target}": not an absolute path below /`,
    );
  return { type: 'tmpfs', target, options };
}

/** Until networks exist: the default, which is a loopback interface only, and none. */
export function toNetworkMode(
  mode: string | undefined,
  endpoints: Readonly<Record<string, unknown>> | undefined,
): ContainerSpec['networkMode'] {
  if (mode !== undefined && !['', 'default', 'none'].includes(mode))
    throw refusal(
      'HostConfig.NetworkMode',
      mode,
      mode === 'host'
        ? "a pod does not share the host's network"
        : mode.startsWith('container:')
          ? 'containers cannot share a pod yet'
          : undefined,
    );
  for (const [network, endpoint] of Object.entries(endpoints ?? {})) {
    if (!['default', 'none'].includes(network)) throw refusal('NetworkingConfig.EndpointsConfig', network);
    if (!isPlainEndpoint(endpoint)) throw refusal(`NetworkingConfig.EndpointsConfig.${network}`, endpoint);
  }
  return mode === 'none' ? 'none' : 'default';
}

/** Docker's client names the network it means, with every setting empty. */
function isPlainEndpoint(endpoint: unknown): boolean {
  return isEmpty(endpoint) || (typeof endpoint === 'object' && Object.values(endpoint ?? {}).every(isEmpty));
}

/** Options that ask for what a pod has anyway are accepted: its kernel runs nothing but the pod. */
const acceptedSecurityOptions: ReadonlySet<string> = new Set([
  'seccomp=unconfined',
  'seccomp:unconfined',
  'apparmor=unconfined',
  'apparmor:unconfined',
  'label=disable',
  'label:disable',
]);

/** Whether processes may not gain privileges; anything else is refused by name. */
export function toNoNewPrivileges(options: readonly string[]): boolean {
  let noNewPrivileges = false;
  for (const option of options) {
    const match = /^no-new-privileges(?:[:=](true|false))?$/.exec(option);
    if (match !== null) noNewPrivileges = match[1] !== 'false';
    else if (!acceptedSecurityOptions.has(option)) throw refusal('HostConfig.SecurityOpt', option);
  }
  return noNewPrivileges;
}

/** --storage-opt size=10G: the writable layer's size. */
export function toStorageSize(options: Readonly<Record<string, string>>): number | undefined {
  const { size, ...others } = options;
  for (const [name, value] of Object.entries(others)) throw refusal(`HostConfig.StorageOpt.${name}`, value);
  return size === undefined ? undefined : parseBytes(size, 'storage option size');
}
