/** From the flags of `run` and `create` to the body of POST /containers/create. What was not given is left out. */
import { resolve } from 'node:path';
import type { ContainerCreateRequest, HostConfig, Ulimit } from '../../client/api-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { FlagValues } from '../arguments/flag-values.ts';
import { ExitError } from '../exit-error.ts';
import { capabilities } from './capabilities.ts';
import { readEnvironment, readLabels, toMap } from './key-value-files.ts';
import { parseMemory } from './resource-values.ts';
import { resourcesFrom } from './resources.ts';
import { parseRestartPolicy } from './restart-policy.ts';
import { parseUlimit } from './ulimit.ts';

export interface CreateInput {
  readonly flags: FlagValues;
  readonly image: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly detach: boolean;
  /** Height and width of the terminal on stdout. */
  readonly consoleSize: readonly [number, number] | undefined;
}

/** Throws EngineError or Error for flags that contradict each other or cannot be read. */
export function createRequest(input: CreateInput): ContainerCreateRequest {
  const { flags, image, command, env } = input;
  const labels = readLabels(flags.list('label-file'), flags.list('label'));
  return {
    Image: image,
    ...attachments(input),
    Tty: flags.bool('tty'),
    OpenStdin: flags.bool('interactive'),
    ...given('Hostname', flags.string('hostname')),
    ...given('Domainname', flags.string('domainname')),
    ...given('User', flags.string('user')),
    ...given('WorkingDir', flags.string('workdir')),
    ...given('StopSignal', flags.string('stop-signal')),
    ...(flags.isSet('stop-timeout') && { StopTimeout: flags.int('stop-timeout') }),
    ...givenList('Env', readEnvironment(flags.list('env-file'), flags.list('env'), env)),
    ...givenList('Cmd', command),
    // `--entrypoint=` takes the image's away: Docker writes that as one empty word.
    ...(flags.isSet('entrypoint') && { Entrypoint: [flags.string('entrypoint')] }),
    ...givenMap('Labels', labels),
    HostConfig: hostConfig(input),
  };
}

function attachments({ flags, detach }: CreateInput): ContainerCreateRequest {
  const streams = flags.list('attach').map((stream) => stream.toLowerCase());
  if (detach) {
    if (streams.length > 0) {
      // Docker's client notices this one only after the others, as an error like any.
      throw new ExitError(1, 'conflicting options: cannot specify both --attach and --detach');
    }
    return { AttachStdin: false, AttachStdout: false, AttachStderr: false, StdinOnce: false };
  }
  const stdin = flags.bool('interactive') || streams.includes('stdin');
  return {
    AttachStdin: stdin,
    AttachStdout: streams.length === 0 || streams.includes('stdout'),
    AttachStderr: streams.length === 0 || streams.includes('stderr'),
    StdinOnce: flags.bool('interactive') && stdin,
  };
}

function hostConfig({ flags, consoleSize }: CreateInput): HostConfig {
  const restartPolicy = parseRestartPolicy(flags.string('restart'));
  if (flags.bool('rm') && restartPolicy.Name !== 'no')
    throw conflict('cannot specify both --restart and --rm');
  const kernel = flags.string('kernel');
  return {
    ...resourcesFrom(flags),
    NetworkMode: networkMode(flags),
    RestartPolicy: restartPolicy,
    AutoRemove: flags.bool('rm'),
    LogConfig: logConfig(flags),
    ...(consoleSize !== undefined && { ConsoleSize: consoleSize }),
    ...(kernel !== '' && { Annotations: { 'dvm.kernel': resolve(kernel) } }),
    ...capabilities(flags.list('cap-add'), flags.list('cap-drop')),
    ...givenList('GroupAdd', flags.list('group-add')),
    ...(flags.isSet('oom-score-adj') && { OomScoreAdj: flags.int('oom-score-adj') }),
    Privileged: flags.bool('privileged'),
    ReadonlyRootfs: flags.bool('read-only'),
    ...givenList('SecurityOpt', flags.list('security-opt').map(securityOption)),
    ...givenMap('StorageOpt', pairs(flags, 'storage-opt')),
    ...givenMap('Tmpfs', tmpfs(flags)),
    ...(flags.isSet('shm-size') && { ShmSize: parseMemory(flags.string('shm-size')) }),
    ...givenMap('Sysctls', pairs(flags, 'sysctl')),
    ...givenList('Ulimits', flags.list('ulimit').map(parseUlimit).toSorted(byName)),
    ...(flags.isSet('init') && { Init: flags.bool('init') }),
  };
}

function byName(a: Ulimit, b: Ulimit): number {
  return a.Name < b.Name ? -1 : 1;
}

function networkMode(flags: FlagValues): string {
  const given = [...flags.list('network'), ...flags.list('net')];
  if (given.length > 1)
    throw new EngineError('unimplemented', '--network may be given once: several networks are not supported');
  const name = given[0] ?? 'default';
  if (name.includes('=')) {
    throw new EngineError(
      'unimplemented',
      `--network ${name}: options of a network are not supported, only its name`,
    );
  }
  return name;
}

function logConfig(flags: FlagValues): { Type: string; Config: Readonly<Record<string, string>> } {
  const driver = flags.string('log-driver');
  const options = toMap(flags.list('log-opt'));
  if (driver === 'none' && Object.keys(options).length > 0) {
    throw new EngineError('invalid_argument', 'invalid logging opts for driver none');
  }
  return { Type: driver, Config: options };
}

function securityOption(text: string): string {
  const name = text.split(/[=:]/, 1)[0] ?? '';
  if (name !== 'no-new-privileges' && !/^[^=:]+[=:]./.test(text)) {
    throw new EngineError('invalid_argument', `invalid --security-opt: "${text}"`);
  }
  return text;
}

function pairs(flags: FlagValues, name: string): Readonly<Record<string, string>> {
  const bad = flags.list(name).find((entry) => !/^[^=]+=/.test(entry));
  if (bad !== undefined)
    throw new EngineError('invalid_argument', `--${name} "${bad}" is not of the form key=value`);
  return toMap(flags.list(name));
}

function tmpfs(flags: FlagValues): Readonly<Record<string, string>> {
  return Object.fromEntries(
    flags.list('tmpfs').map((entry) => {
      const colon = entry.indexOf(':');
      return colon < 0 ? [entry, ''] : [entry.slice(0, colon), entry.slice(colon + 1)];
    }),
  );
}

function conflict(what: string): EngineError {
  return new EngineError('invalid_argument', `conflicting options: ${what}`);
}

function given<Name extends string>(name: Name, value: string): { readonly [key in Name]?: string } {
  return value === '' ? {} : ({ [name]: value } as { readonly [key in Name]: string });
}

function givenList<Name extends string, Item>(
  name: Name,
  items: readonly Item[],
): { readonly [key in Name]?: readonly Item[] } {
  return items.length === 0 ? {} : ({ [name]: items } as { readonly [key in Name]: readonly Item[] });
}

function givenMap<Name extends string>(
  name: Name,
  map: Readonly<Record<string, string>>,
): { readonly [key in Name]?: Readonly<Record<string, string>> } {
  return Object.keys(map).length === 0
    ? {}
    : ({ [name]: map } as { readonly [key in Name]: Readonly<Record<string, string>> });
}
