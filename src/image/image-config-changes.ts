/** `docker import --change`: the Dockerfile instructions that set a field of the config. */
import { EngineError } from '../errors/engine-error.ts';

/** The `config` object of an image config, as it is written. */
export interface WrittenRunConfig {
  User?: string;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  WorkingDir?: string;
  StopSignal?: string;
  Labels?: Record<string, string>;
  ExposedPorts?: Record<string, object>;
  Volumes?: Record<string, object>;
  OnBuild?: string[];
}

type Apply = (config: WrittenRunConfig, rest: string, change: string) => void;

const instructions: Readonly<Record<string, Apply>> = {
  CMD: (config, rest) => (config.Cmd = command(rest)),
  ENTRYPOINT: (config, rest) => (config.Entrypoint = command(rest)),
  ENV: (config, rest, change) => {
    for (const [key, value] of pairs(rest, change)) {
      config.Env = [...(config.Env ?? []).filter((entry) => !entry.startsWith(`${key}=`)), `${key}=${value}`];
    }
  },
  EXPOSE: (config, rest, change) => {
    for (const port of words(rest, change))
      config.ExposedPorts = { ...config.ExposedPorts, [exposedPort(port, change)]: {} };
  },
  LABEL: (config, rest, change) =>
    (config.Labels = { ...config.Labels, ...Object.fromEntries(pairs(rest, change)) }),
  ONBUILD: (config, rest) => (config.OnBuild = [...(config.OnBuild ?? []), rest]),
  STOPSIGNAL: (config, rest, change) => (config.StopSignal = single(rest, change)),
  USER: (config, rest, change) => (config.User = single(rest, change)),
  VOLUME: (config, rest, change) => {
    const paths = jsonList(rest) ?? words(rest, change);
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  WORKDIR: (config, rest, change) => {
    const path = single(rest, change);
    config.WorkingDir = path.startsWith('/') ? path : `${config.WorkingDir ?? ''}/${path}`;
  },
};

/** Throws `invalid_argument`, or `unimplemented` for an instruction that a change cannot be. */
export function applyChanges(changes: readonly string[]): WrittenRunConfig {
  const config: WrittenRunConfig = {};
  for (const change of changes) {
    const match = /^\s*([A-Za-z]+)\s+(\S[\s\S]*?)\s*$/.exec(change);
    if (match === null) throw invalid(change, 'want an instruction and its arguments');
    const name = (match[1] ?? '').toUpperCase();
    const apply = instructions[name];
    if (apply === undefined)
      throw new EngineError(
        'unimplemented',
        `change "${change}": ${name} is not one of ${Object.keys(instructions).join(', ')}`,
      );
    apply(config, match[2] ?? '', change);
  }
  return config;
}

function invalid(change: string, why: string): EngineError {
  return new EngineError('invalid_argument', `invalid change "${change.slice(0, 200)}": ${why}`);
}

/** A JSON list as it is, anything else through a shell. */
function command(rest: string): string[] {
  return jsonList(rest) ?? ['/bin/sh', '-c', rest];
}

function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch (error) {
    // Not JSON: a shell command that begins with a bracket.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Splits at blanks; quotes and backslashes protect them. */
function words(text: string, change: string): string[] {
  const found: string[] = [];
  const pattern = /\s*((?:[^\s"'\\]|\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"|'[^']*')+)/y;
  const end = text.trimEnd().length;
  let at = 0;
  while (at < end) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) throw invalid(change, 'a quote is not closed');
    at = pattern.lastIndex;
    found.push(unquote(match[1] ?? ''));
  }
  return found;
}

function unquote(word: string): string {
  return word.replace(
    /\\([\s\S])|"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'/g,
    (_whole, escaped: string | undefined, double: string | undefined, simple: string | undefined) =>
      escaped ?? double?.replace(/\\([\s\S])/g, '$1') ?? simple ?? '',
  );
}

/** key=value …, or the old form `key value with blanks`. */
function pairs(rest: string, change: string): [string, string][] {
  const list = words(rest, change);
  if (list[0]?.includes('=') !== true) {
    const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
    if (match === null) throw invalid(change, 'want key=value');
    return [[match[1] ?? '', match[2] ?? '']];
  }
  return list.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1) throw invalid(change, `"${word}" is not key=value`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function single(rest: string, change: string): string {
  const [word, second] = words(rest, change);
  if (word === undefined || word === '' || second !== undefined) throw invalid(change, 'want one argument');
  return word;
}

function exposedPort(text: string, change: string): string {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const port = Number(match?.[1] ?? 0);
  if (match === null || port < 1 || port > 65_535) throw invalid(change, `"${text}" is not a port`);
  return `${port}/${(match[2] ?? 'tcp').toLowerCase()}`;
}
