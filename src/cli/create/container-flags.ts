/** The flags that `run` and `create` share: what a container is to be. `create-request.ts` turns them into the API's words. */
import type { FlagSpec } from '../arguments/command.ts';
import { parseCpus, parseMemory, parseMemoryOrUnlimited } from './resource-values.ts';
import { parseUlimit } from './ulimit.ts';

const signals = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
] as const;

function checkAttach(value: string): void {
  if (!['stdin', 'stdout', 'stderr'].includes(value.toLowerCase())) {
    throw new Error('valid streams are STDIN, STDOUT and STDERR');
  }
}

const general: readonly FlagSpec[] = [
  {
    name: 'attach',
    short: 'a',
    kind: 'list',
    help: 'Attach to STDIN, STDOUT or STDERR',
    check: checkAttach,
    complete: ['stdin', 'stdout', 'stderr'],
  },
  { name: 'cidfile', kind: 'string', help: 'Write the container ID to the file', complete: 'file' },
  { name: 'domainname', kind: 'string', help: 'Container NIS domain name' },
  { name: 'entrypoint', kind: 'string', help: 'Overwrite the default ENTRYPOINT of the image' },
  { name: 'env', short: 'e', kind: 'list', help: 'Set environment variables' },
  { name: 'env-file', kind: 'list', help: 'Read in a file of environment variables', complete: 'file' },
  { name: 'group-add', kind: 'list', help: 'Add additional groups to join' },
  { name: 'hostname', short: 'h', kind: 'string', help: 'Container host name' },
  {
    name: 'init',
    kind: 'bool',
    help: 'Run an init inside the container that forwards signals and reaps processes',
  },
  { name: 'interactive', short: 'i', kind: 'bool', help: 'Keep STDIN open even if not attached' },
  {
    name: 'kernel',
    kind: 'string',
    value: 'path',
    help: "Boot this container's microVM with a guest kernel of your own",
    complete: 'file',
  },
  { name: 'label', short: 'l', kind: 'list', help: 'Set meta data on a container' },
  { name: 'label-file', kind: 'list', help: 'Read in a line delimited file of labels', complete: 'file' },
  {
    name: 'log-driver',
    kind: 'string',
    help: 'Logging driver for the container',
    complete: ['json-file', 'none'],
  },
  { name: 'log-opt', kind: 'list', help: 'Log driver options' },
  { name: 'name', kind: 'string', help: 'Assign a name to the container' },
  {
    name: 'network',
    kind: 'string',
    value: 'network',
    help: 'Connect a container to a network',
    complete: ['none'],
  },
  { name: 'net', kind: 'string', value: 'network', help: 'Connect a container to a network', hidden: true },
  { name: 'platform', kind: 'string', help: 'Set platform if server is multi-platform capable' },
  {
    name: 'pull',
    kind: 'string',
    default: 'missing',
    help: 'Pull image before running ("always", "missing", "never")',
    complete: ['always', 'missing', 'never'],
  },
  { name: 'quiet', short: 'q', kind: 'bool', help: 'Suppress the pull output' },
  { name: 'read-only', kind: 'bool', help: "Mount the container's root filesystem as read only" },
  {
    name: 'restart',
    kind: 'string',
    default: 'no',
    help: 'Restart policy to apply when a container exits',
    complete: ['no', 'always', 'on-failure', 'unless-stopped'],
  },
  { name: 'rm', kind: 'bool', help: 'Automatically remove the container when it exits' },
  { name: 'stop-signal', kind: 'string', help: 'Signal to stop the container', complete: signals },
  { name: 'stop-timeout', kind: 'int', help: 'Timeout (in seconds) to stop a container' },
  { name: 'tmpfs', kind: 'list', help: 'Mount a tmpfs directory' },
  { name: 'tty', short: 't', kind: 'bool', help: 'Allocate a pseudo-TTY' },
  { name: 'user', short: 'u', kind: 'string', help: 'Username or UID (format: <name|uid>[:<group|gid>])' },
  { name: 'workdir', short: 'w', kind: 'string', help: 'Working directory inside the container' },
];

const security: readonly FlagSpec[] = [
  { name: 'cap-add', kind: 'list', help: 'Add Linux capabilities' },
  { name: 'cap-drop', kind: 'list', help: 'Drop Linux capabilities' },
  {
    name: 'privileged',
    kind: 'bool',
    help: "Give extended privileges to this container, inside its own microVM's kernel",
  },
  { name: 'security-opt', kind: 'list', help: 'Security Options', complete: ['no-new-privileges'] },
  { name: 'sysctl', kind: 'list', value: 'map', help: 'Sysctl options' },
];

/** Also `update`'s. */
export const resourceFlags: readonly FlagSpec[] = [
  { name: 'cpu-period', kind: 'int', help: 'Limit CPU CFS (Completely Fair Scheduler) period' },
  { name: 'cpu-quota', kind: 'int', help: 'Limit CPU CFS (Completely Fair Scheduler) quota' },
  { name: 'cpu-shares', short: 'c', kind: 'int', help: 'CPU shares (relative weight)' },
  { name: 'cpus', kind: 'string', value: 'decimal', help: 'Number of CPUs', check: parseCpus },
  { name: 'memory', short: 'm', kind: 'string', value: 'bytes', help: 'Memory limit', check: parseMemory },
  {
    name: 'memory-reservation',
    kind: 'string',
    value: 'bytes',
    help: 'Memory soft limit',
    check: parseMemory,
  },
  {
    name: 'memory-swap',
    kind: 'string',
    value: 'bytes',
    help: "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
    check: parseMemoryOrUnlimited,
  },
  { name: 'pids-limit', kind: 'int', help: 'Tune container pids limit (set -1 for unlimited)' },
];

const limits: readonly FlagSpec[] = [
  { name: 'oom-score-adj', kind: 'int', help: 'Tune OOM preferences (-1000 to 1000)' },
  { name: 'shm-size', kind: 'string', value: 'bytes', help: 'Size of /dev/shm', check: parseMemory },
  { name: 'storage-opt', kind: 'list', help: 'Storage driver options for the container (size=10G)' },
  { name: 'ulimit', kind: 'list', value: 'ulimit', help: 'Ulimit options', check: parseUlimit },
];

export const containerFlags: readonly FlagSpec[] = [...general, ...security, ...resourceFlags, ...limits];

/** Docker's, which DVM does not have: refused by name. */
export const unsupportedContainerFlags: readonly string[] = [
  'add-host',
  'annotation',
  'blkio-weight',
  'blkio-weight-device',
  'cgroup-parent',
  'cgroupns',
  'cpu-count',
  'cpu-percent',
  'cpu-rt-period',
  'cpu-rt-runtime',
  'cpuset-cpus',
  'cpuset-mems',
  'device',
  'device-cgroup-rule',
  'device-read-bps',
  'device-read-iops',
  'device-write-bps',
  'device-write-iops',
  'disable-content-trust',
  'dns',
  'dns-opt',
  'dns-option',
  'dns-search',
  'expose',
  'gpus',
  'health-cmd',
  'health-interval',
  'health-retries',
  'health-start-interval',
  'health-start-period',
  'health-timeout',
  'io-maxbandwidth',
  'io-maxiops',
  'ip',
  'ip6',
  'ipc',
  'isolation',
  'kernel-memory',
  'link',
  'link-local-ip',
  'mac-address',
  'memory-swappiness',
  'mount',
  'net-alias',
  'network-alias',
  'no-healthcheck',
  'oom-kill-disable',
  'pid',
  'publish',
  'p',
  'publish-all',
  'P',
  'runtime',
  'use-api-socket',
  'userns',
  'uts',
  'volume',
  'v',
  'volume-driver',
  'volumes-from',
];
