import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerStartSpec, OutputSink, ProcessSpec } from '../../engine/ports/pod-runtime.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { orAborted } from '../../system/deadline.ts';
import { Activity } from './activity.ts';
import type { GuestMachine } from './guest-machine.ts';
import type { RuntimeContext } from './runtime-context.ts';
import { startContainer } from './start-container.ts';

/** What a machine of the pool rehearses with. */
export interface Rehearsal {
  /** An EROFS file with a static program. */
  readonly layerPath: string;
  /** Reads standard input to its end and then ends, e.g. ['/bin/busybox', 'cat']. */
  readonly args: readonly string[];
  /** Ends by itself, e.g. ['/bin/busybox', 'echo', 'ready']. */
  readonly execArgs: readonly string[];
  /** Makes a small blank ext4 file. */
  readonly makeDisk: (path: string, signal: AbortSignal) => Promise<unknown>;
}

const nowhere: OutputSink = { write: () => undefined, close: () => undefined };

/**
 * Takes a dummy image through the whole path once, so that page faults are taken and, in emulation, the code is translated
 * before somebody waits for it. Stays out of the way of whoever does: it waits for quiet between its steps.
 */
export async function rehearse(
  context: RuntimeContext,
  guest: GuestMachine,
  rehearsal: Rehearsal,
  signal: AbortSignal,
): Promise<void> {
  const { activity, stateDirectory } = context;
  const writablePath = join(stateDirectory, `rehearsal-${guest.machine.id}.ext4`);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(writablePath, { force: true }));
  await rehearsal.makeDisk(writablePath, signal);
  await activity.quiet(signal);
  // Its own steps are nobody's waiting: they must not look like activity to itself.
  const unseen = { ...context, activity: new Activity(0) };
  const request = containerSpec(rehearsal, writablePath);
  const container = await startContainer(unseen, guest, request, nowhere, signal);
  undo.defer(() => container.remove());
  await activity.quiet(signal);
  const exec = await container.exec(processSpec(rehearsal.execArgs, false), nowhere, signal);
  await ended(exec.exited, signal);
  await exec.release();
  await container.process.writeStdin(Buffer.from('rehearsal\n'));
  await container.process.closeStdin();
  await ended(container.process.exited, signal);
  await orAborted(container.process.drained, signal);
  await container.process.release();
  await activity.quiet(signal);
}

async function ended(exited: ContainerProcessExit, signal: AbortSignal): Promise<void> {
  const exit = await orAborted(exited, signal);
  if ('lost' in exit) throw new EngineError('unavailable', `the rehearsal was cut short: ${exit.lost}`);
  if (exit.exitCode !== 0) {
    throw new EngineError('internal', `the rehearsal's program ended with exit code ${exit.exitCode}`);
  }
}
type ContainerProcessExit = Promise<{ readonly exitCode: number } | { readonly lost: string }>;

function containerSpec(rehearsal: Rehearsal, writablePath: string): ContainerStartSpec {
  return {
    id: '0'.repeat(64),
    layers: [{ digest: `sha256:${'0'.repeat(64)}`, path: rehearsal.layerPath }],
    writablePath,
    readonlyRoot: false,
    hostname: '',
    privileged: false,
    sharePid: false,
    init: false,
    mounts: [],
    shmSizeBytes: 1 << 20,
    files: [],
    sysctls: {},
    resources: {},
    process: processSpec(rehearsal.args, true),
  };
}

function processSpec(args: readonly string[], stdinOpen: boolean): ProcessSpec {
  return {
    args,
    env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    cwd: '/',
    user: '',
    additionalGroups: [],
    tty: false,
    stdinOpen,
    rlimits: [],
    capabilities: [],
    noNewPrivileges: true,
    oomScoreAdj: 0,
    discardOutput: false,
  };
}
