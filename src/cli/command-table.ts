/** Every verb there is, and where its code lies: only the one that is called is loaded. */
import type { Group, TableEntry } from './arguments/command.ts';

const entry = (names: string, group: Group, summary: string, load: TableEntry['load']): TableEntry => ({
  names: names.split(', '),
  group,
  summary,
  load,
});

export const commandTable: readonly TableEntry[] = [
  entry(
    'run, container run',
    'common',
    'Create and run a new container from an image',
    () => import('./commands/run.ts'),
  ),
  entry(
    'exec, container exec',
    'common',
    'Execute a command in a running container',
    () => import('./commands/exec.ts'),
  ),
  entry(
    'ps, container ls, container list, container ps',
    'common',
    'List containers',
    () => import('./commands/ps.ts'),
  ),
  entry(
    'pull, image pull',
    'common',
    'Download an image from a registry',
    () => import('./commands/pull.ts'),
  ),
  entry('images, image ls, image list', 'common', 'List images', () => import('./commands/images.ts')),
  entry('login', 'common', 'Authenticate to a registry', () => import('./commands/login.ts')),
  entry('logout', 'common', 'Log out from a registry', () => import('./commands/logout.ts')),
  entry('version', 'common', 'Show the DVM version information', () => import('./commands/version.ts')),
  entry('info, system info', 'common', 'Display system-wide information', () => import('./commands/info.ts')),
  entry(
    'doctor, system doctor',
    'common',
    'Check this host and say what to install or change',
    () => import('./commands/doctor.ts'),
  ),
  entry(
    'attach, container attach',
    'command',
    'Attach local standard input, output, and error streams to a running container',
    () => import('./commands/attach.ts'),
  ),
  entry(
    'completion',
    'command',
    'Write the completion script for a shell',
    () => import('./commands/completion.ts'),
  ),
  entry(
    'container inspect',
    'container',
    'Display detailed information on one or more containers',
    () => import('./commands/container-inspect.ts'),
  ),
  entry(
    'container prune',
    'container',
    'Remove all stopped containers',
    () => import('./commands/container-prune.ts'),
  ),
  entry(
    'create, container create',
    'command',
    'Create a new container',
    () => import('./commands/create.ts'),
  ),
  entry('daemon', 'command', 'Start the daemon, or say that it runs', () => import('./commands/daemon.ts')),
  entry(
    'events, system events',
    'command',
    'Get real time events from the server',
    () => import('./commands/events.ts'),
  ),
  entry(
    'history, image history',
    'command',
    'Show the history of an image',
    () => import('./commands/history.ts'),
  ),
  entry(
    'image inspect',
    'image',
    'Display detailed information on one or more images',
    () => import('./commands/image-inspect.ts'),
  ),
  entry('image prune', 'image', 'Remove unused images', () => import('./commands/image-prune.ts')),
  entry(
    'import, image import',
    'command',
    'Import the contents from a tarball to create a filesystem image',
    () => import('./commands/import.ts'),
  ),
  entry(
    'inspect',
    'command',
    'Return low-level information on containers and images',
    () => import('./commands/inspect.ts'),
  ),
  entry(
    'kill, container kill',
    'command',
    'Kill one or more running containers',
    () => import('./commands/kill.ts'),
  ),
  entry(
    'load, image load',
    'command',
    'Load an image from a tar archive or STDIN',
    () => import('./commands/load.ts'),
  ),
  entry(
    'logs, container logs',
    'command',
    'Fetch the logs of a container',
    () => import('./commands/logs.ts'),
  ),
  entry(
    'pause, container pause',
    'command',
    'Pause all processes within one or more containers',
    () => import('./commands/pause.ts'),
  ),
  entry(
    'port, container port',
    'command',
    'List port mappings or a specific mapping for the container',
    () => import('./commands/port.ts'),
  ),
  entry('rename, container rename', 'command', 'Rename a container', () => import('./commands/rename.ts')),
  entry(
    'restart, container restart',
    'command',
    'Restart one or more containers',
    () => import('./commands/restart.ts'),
  ),
  entry(
    'rm, container rm, container remove',
    'command',
    'Remove one or more containers',
    () => import('./commands/rm.ts'),
  ),
  entry(
    'rmi, image rm, image remove',
    'command',
    'Remove one or more images',
    () => import('./commands/rmi.ts'),
  ),
  entry(
    'start, container start',
    'command',
    'Start one or more stopped containers',
    () => import('./commands/start.ts'),
  ),
  entry(
    'stats, container stats',
    'command',
    'Display a live stream of container(s) resource usage statistics',
    () => import('./commands/stats.ts'),
  ),
  entry(
    'stop, container stop',
    'command',
    'Stop one or more running containers',
    () => import('./commands/stop.ts'),
  ),
  entry(
    'tag, image tag',
    'command',
    'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    () => import('./commands/tag.ts'),
  ),
  entry(
    'top, container top',
    'command',
    'Display the running processes of a container',
    () => import('./commands/top.ts'),
  ),
  entry(
    'unpause, container unpause',
    'command',
    'Unpause all processes within one or more containers',
    () => import('./commands/unpause.ts'),
  ),
  entry(
    'update, container update',
    'command',
    'Update configuration of one or more containers',
    () => import('./commands/update.ts'),
  ),
  entry(
    'wait, container wait',
    'command',
    'Block until one or more containers stop, then print their exit codes',
    () => import('./commands/wait.ts'),
  ),
  entry(
    '__complete',
    'hidden',
    'Names for the shell completion',
    () => import('./commands/complete-names.ts'),
  ),
];

/** The entry that `words` begin with, and how many of them name it. */
export function findCommand(
  words: readonly string[],
): { readonly entry: TableEntry; readonly calledAs: string } | undefined {
  for (const length of [2, 1]) {
    const calledAs = words.slice(0, length).join(' ');
    const found = commandTable.find((candidate) => candidate.names.includes(calledAs));
    if (found !== undefined && words.length >= length) return { entry: found, calledAs };
  }
  return undefined;
}
