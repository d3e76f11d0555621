/**
 * The end of a run. The order is Docker's, and as little as possible comes before anybody is told: output is drained,
 * attached clients get their end, the exit is stored, then `wait` answers and `die` is told. What the client need not
 * wait for comes after: the disk is written out and the sandbox destroyed.
 */
import type { EngineContext } from './context.ts';
import type { ProcessExit } from './ports/pod-runtime.ts';
import type { ExitRecord, RunRecord } from './model/record.ts';
import type { Container, LiveRun } from './container.ts';
import { exitOf } from './container.ts';
import { locked } from './locked.ts';
import { forgetContainer, removeFiles } from './remove-traces.ts';
import { restartsAfterExit } from './restart-policy.ts';
import { scheduleRestart } from './schedule-restart.ts';

export type RunEnd = ProcessExit | { readonly lost: string };

/** Of a process that was killed together with its machine. */
const killedExitCode = 137;

export function watchRun(context: EngineContext, container: Container, run: LiveRun): void {
  const { process } = run.container;
  void process.exited.then((end) => {
    if (context.closing.aborted) return;
    context.background.run(`cannot finish the run of container ${container.id}`, () =>
      finishRun(context, container, run, end),
    );
  });
}

async function finishRun(
  context: EngineContext,
  container: Container,
  run: LiveRun,
  end: RunEnd,
): Promise<void> {
  const endedMs = performance.now();
  const { streams } = container;
  await streams.drain(run.container.process.drained);
  await streams.finish();
  await locked(context.lock, container.record.podId, async () => {
    if (context.closing.aborted) return;
    const gone = container.removing || (container.record.spec.autoRemove && !container.restarting);
    container.run = undefined;
    container.streams = container.newStreams();
    recordExit(context, container, exitRecord(end));
    if (gone && !container.removing) forgetContainer(context, container);
    context.observer.span(container.id, 'engine.exit', endedMs, performance.now() - endedMs);
    await cleanUp(context, container, run, gone);
  });
}

/** Docker's exit code of a container that the daemon finds dead when it starts. */
export const foundDeadExitCode = 255;

function exitRecord(end: RunEnd): ExitRecord {
  if ('lost' in end)
    return {
      exitCode: killedExitCode,
      oomKilled: false,
      error: `the sandbox was lost: ${end.lost}`,
      finishedAt: Date.now(),
    };
  return {
    exitCode: end.exitCode,
    oomKilled: end.oomKilled,
    error: '',
    finishedAt: end.exitedAt.getTime(),
  };
}

/** Stores the exit and tells it; decides about a restart. */
export function recordExit(context: EngineContext, container: Container, exit: ExitRecord): void {
  const { record } = container;
  const { run } = record;
  if (run === undefined) return;
  const ranMs = Math.max(0, exit.finishedAt - run.startedAt);
  const restarts = !container.removing && !container.restarting && wantsRestart(container, exit);
  context.registry.record(container, {
    run: endedRun(run, exit),
    execs: [],
    ...(restarts && { restartCount: record.restartCount + 1 }),
  });
  if (restarts) scheduleRestart(context, container, container.backoff.next(ranMs));
  if (exit.oomKilled) context.events.container(container, 'oom');
  context.events.container(container, 'die', {
    exitCode: String(exit.exitCode),
    execDuration: String(Math.floor(ranMs / 1000)),
  });
  container.waiters.exited(exitOf(exit));
}

function wantsRestart(container: Container, exit: ExitRecord): boolean {
  const { spec, manuallyStopped, restartCount } = container.record;
  return restartsAfterExit({
    policy: spec.restartPolicy,
    exit: exitOf(exit),
    manuallyStopped,
    restartCount,
  });
}

function endedRun(run: RunRecord, exit: ExitRecord): RunRecord {
  return { ...run, paused: false, exit };
}

/** `gone`: nobody will see the writable layer again, so nobody waits until it is written out. */
async function cleanUp(
  context: EngineContext,
  container: Container,
  run: LiveRun,
  gone: boolean,
): Promise<void> {
  const { observer, registry } = context;
  const startedMs = performance.now();
  if (!gone) await writeOut(context, container, run);
  try {
    await run.sandbox.destroy();
  } catch (error) {
    container.leftover = run.sandbox; // it may still have the disk open: the next start has to get rid of it first
    throw error;
  }
  if (!registry.has(container.id)) await removeFiles(context, container);
  else registry.recordPod(container.record.podId, { sandbox: undefined });
  observer.span(container.id, 'engine.cleanup', startedMs, performance.now() - startedMs);
}

/** The container is taken out of its sandbox, and with that its disk is whole on the host. */
export async function writeOut(context: EngineContext, container: Container, run: LiveRun): Promise<void> {
  try {
    await run.container.remove();
  } catch (error) {
    context.observer.warn(`the writable layer of container ${container.id} may not be written out`, error);
  }
}
