/** What the daemon is told: flags over the configuration file over the defaults. The words are the same in both. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { isErrno } from '../system/errno.ts';
import { parseMemory } from './memory-size.ts';

export const defaultConfigPath = '/etc/dvm/daemon.yaml';

const absolutePath = z.string().startsWith('/', 'must be an absolute path');
const registryHost = z
  .string()
  .regex(/^[A-Za-z0-9.-]+(:\d+)?$|^\[[0-9a-f:]+\](:\d+)?$/, 'must be HOST or HOST:PORT');

const fileSchema = z.strictObject({
  socket: absolutePath.optional(),
  'data-dir': absolutePath.optional(),
  'state-dir': absolutePath.optional(),
  'guest-dir': absolutePath.optional(),
  group: z.string().min(1).optional(),
  kernel: absolutePath.optional(),
  accelerator: z.enum(['auto', 'kvm', 'tcg']).optional(),
  'pool-size': z.int().min(0).max(64).optional(),
  memory: z.union([z.string(), z.int()]).transform(parseMemory).optional(),
  vcpus: z.int().min(1).max(64).optional(),
  'registry-mirrors': z.record(registryHost, z.array(z.url({ protocol: /^https?$/ }))).optional(),
  'insecure-registries': z.array(registryHost).optional(),
  'log-level': z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
  'uid-base': z.int().min(100_000).max(2_147_000_000).optional(),
  'uid-count': z.int().min(1).max(1_000_000).optional(),
});
type Settings = z.output<typeof fileSchema>;

export interface DaemonConfig {
  readonly socketPath: string;
  /** Images, containers, templates: what outlives a reboot. */
  readonly dataDirectory: string;
  /** Sockets, machines: what does not. */
  readonly stateDirectory: string;
  /** Where initramfs and kernels are; undefined: beside the program. */
  readonly guestDirectory: string | undefined;
  /** Who may use the socket besides root. */
  readonly group: string;
  /** A guest kernel of the user's own for all pods. */
  readonly kernelPath: string | undefined;
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  readonly poolSize: number | undefined;
  readonly defaultMemoryBytes: number | undefined;
  readonly defaultVcpus: number | undefined;
  readonly registryMirrors: Readonly<Record<string, readonly string[]>>;
  readonly insecureRegistries: readonly string[];
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly uids: { readonly base: number; readonly count: number } | undefined;
}

export type Command =
  | { readonly kind: 'serve'; readonly config: DaemonConfig }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

export const usage = `Usage: dvmd [FLAGS]

The DVM daemon. It serves the Docker Engine API and its own on a Unix socket.

  --config FILE               YAML or JSON with the words below (default ${defaultConfigPath}, if it is there)
  --socket PATH               where to listen (default STATE-DIR/dvm.sock)
  --data-dir DIR              images, containers, templates (default /var/lib/dvm)
  --state-dir DIR             sockets and machines that run (default /run/dvm)
  --guest-dir DIR             agent and guest kernels (default: beside the program)
  --group NAME                group that may use the socket (default dvm)
  --kernel PATH               guest kernel of your own for all pods
  --accelerator auto|kvm|tcg  (default auto: KVM where a probe shows that it works)
  --pool-size N               machines that wait for a pod
  --memory SIZE               guest memory of a pod that does not say (512m, 4g)
  --vcpus N                   virtual CPUs of a pod that does not say
  --registry-mirror [HOST=]URL  may be repeated; HOST is docker.io by default
  --insecure-registry HOST    may be repeated: plain HTTP or an unknown certificate will do
  --log-level LEVEL           debug, info, warn, error, silent (default info)
  --uid-base N, --uid-count N   user ids for VMMs
  --version, --help
`;

const flagOptions = {
  config: { type: 'string' },
  socket: { type: 'string' },
  'data-dir': { type: 'string' },
  'state-dir': { type: 'string' },
  'guest-dir': { type: 'string' },
  group: { type: 'string' },
  kernel: { type: 'string' },
  accelerator: { type: 'string' },
  'pool-size': { type: 'string' },
  memory: { type: 'string' },
  vcpus: { type: 'string' },
  'registry-mirror': { type: 'string', multiple: true },
  'insecure-registry': { type: 'string', multiple: true },
  'log-level': { type: 'string' },
  'uid-base': { type: 'string' },
  'uid-count': { type: 'string' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const pathFlags = ['socket', 'data-dir', 'state-dir', 'guest-dir', 'kernel'] as const;
const textFlags = ['group', 'accelerator', 'memory', 'log-level'] as const;
const numberFlags = ['pool-size', 'vcpus', 'uid-base', 'uid-count'] as const;

/** Throws `invalid_argument` that names the flag, or the file and the key in it. */
export async function parseCommand(args: readonly string[]): Promise<Command> {
  const flags = readFlags(args);
  if (flags.help === true) return { kind: 'help' };
  if (flags.version === true) return { kind: 'version' };
  const fromFlags: Record<string, unknown> = {};
  for (const name of pathFlags) if (flags[name] !== undefined) fromFlags[name] = resolve(flags[name]);
  for (const name of textFlags) if (flags[name] !== undefined) fromFlags[name] = flags[name];
  for (const name of numberFlags)
    if (flags[name] !== undefined) fromFlags[name] = toNumber(name, flags[name]);
  if (flags['insecure-registry'] !== undefined) fromFlags['insecure-registries'] = flags['insecure-registry'];
  if (flags['registry-mirror'] !== undefined)
    fromFlags['registry-mirrors'] = toMirrors(flags['registry-mirror']);
  const settings = {
    ...(await readConfigFile(flags.config)),
    ...parseSettings(fromFlags, (key) => `--${key}`),
  };
  return { kind: 'serve', config: toConfig(settings) };
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flagOptions, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new EngineError('invalid_argument', `${messageOf(error)} (dvmd --help lists the flags)`, {
      cause: error,
    });
  }
}

async function readConfigFile(named: string | undefined): Promise<Settings> {
  const path = named ?? defaultConfigPath;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (named === undefined && isErrno(error, 'ENOENT')) return {};
    throw new EngineError('invalid_argument', `cannot read the configuration ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const { parse } = await import('yaml'); // reads JSON, too; loaded only where there is a file
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    throw new EngineError('invalid_argument', `${path} is neither YAML nor JSON: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return parseSettings(content ?? {}, (key) => `"${key}" in ${path}`);
}

function parseSettings(content: unknown, nameOf: (key: string) => string): Settings {
  const parsed = fileSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `${nameOf(key)} is not known`).join('; ')
      : `${nameOf(issue.path.join('.'))}: ${issue.message}`,
  );
  throw new EngineError('invalid_argument', issues.join('; '));
}

function toNumber(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new EngineError('invalid_argument', `--${name}: "${text}" is not a whole number`);
}

/** "https://mirror.example" serves Docker Hub; "ghcr.io=https://mirror.example" another registry. */
function toMirrors(values: readonly string[]): Record<string, string[]> {
  const mirrors: Record<string, string[]> = {};
  for (const value of values) {
    const [, host = 'docker.io', url = value] = /^([^/=]+)=(.+)$/.exec(value) ?? [];
    (mirrors[host] ??= []).push(url);
  }
  return mirrors;
}

function toConfig(settings: Settings): DaemonConfig {
  const stateDirectory = settings['state-dir'] ?? '/run/dvm';
  const base = settings['uid-base'];
  return {
    socketPath: settings.socket ?? `${stateDirectory}/dvm.sock`,
    dataDirectory: settings['data-dir'] ?? '/var/lib/dvm',
    stateDirectory,
    guestDirectory: settings['guest-dir'],
    group: settings.group ?? 'dvm',
    kernelPath: settings.kernel,
    accelerator: settings.accelerator ?? 'auto',
    poolSize: settings['pool-size'],
    defaultMemoryBytes: settings.memory,
    defaultVcpus: settings.vcpus,
    registryMirrors: settings['registry-mirrors'] ?? {},
    insecureRegistries: settings['insecure-registries'] ?? [],
    logLevel: settings['log-level'] ?? 'info',
    uids: base === undefined ? undefined : { base, count: settings['uid-count'] ?? 65_536 },
  };
}
