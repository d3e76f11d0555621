/**
 * Starts a program in new namespaces, as our own child and without a waiting process in between.
 *
 * Namespaces belong to a thread, and Node starts a child synchronously: so this thread takes new ones, starts the child
 * (which inherits them; with `pid`, it is the first process of its PID namespace), and goes back into its own before it
 * does anything else. util-linux's `unshare --pid --fork` would cost one more process per child.
 *
 * Side effect, once: the main thread no longer shares its working directory and umask with Node's other threads, so
 * nobody may call process.chdir() or process.umask() after the first use. The daemon uses absolute paths and modes.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { isErrno } from './errno.ts';
import { makeMountsPrivate, namespaceFlags, setns, unshare } from './libc.ts';

export type Namespace = keyof typeof namespaceFlags;

export function spawnInNamespaces(
  namespaces: readonly Namespace[],
  file: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  using own = openOwnNamespaces(namespaces);
  const workingDirectory = namespaces.includes('mnt') ? currentDirectory() : undefined;
  try {
    takeNewNamespaces(namespaces);
    return spawn(file, args, options);
  } finally {
    own.goBack();
    if (workingDirectory !== undefined) process.chdir(workingDirectory); // setns put us into the root directory
  }
}

/** Undefined when it has been removed: then the root directory will do. */
function currentDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function takeNewNamespaces(namespaces: readonly Namespace[]): void {
  try {
    unshare(namespaces.reduce((flags, name) => flags | namespaceFlags[name], 0));
    if (namespaces.includes('mnt')) makeMountsPrivate();
  } catch (error) {
    const code = isErrno(error, 'EPERM') ? 'permission_denied' : 'unavailable';
    const advice = 'run dvmd as root, with CAP_SYS_ADMIN when it is in a container itself';
    throw new EngineError(
      code,
      `cannot make namespaces (${namespaces.join(', ')}): ${messageOf(error)}; ${advice}`,
      {
        cause: error,
      },
    );
  }
}

interface OwnNamespaces extends Disposable {
  goBack(): void;
}

function openOwnNamespaces(namespaces: readonly Namespace[]): OwnNamespaces {
  const opened: { name: Namespace; fd: number }[] = [];
  const close = () => opened.forEach(({ fd }) => closeSync(fd));
  try {
    for (const name of namespaces) opened.push({ name, fd: openSync(`/proc/thread-self/ns/${name}`, 'r') });
  } catch (error) {
    close();
    throw error;
  }
  return {
    goBack: () => {
      try {
        for (const { name, fd } of opened) setns(fd, namespaceFlags[name]);
      } catch (error) {
        // A daemon that half stands in a machine's namespaces would do damage with everything it does next.
        process.stderr.write(`cannot return to the daemon's own namespaces: ${messageOf(error)}\n`);
        process.abort();
      }
    },
    [Symbol.dispose]: close,
  };
}
