/**
 * When the daemon starts: what is stored is compared with what is there. Containers that still run are taken up where
 * they were, ends that nobody saw are recorded, half-made things are undone and half-removed ones removed.
 */
import { errorCodeOf, messageOf } from '../errors/engine-error.ts';
import type { Container, LiveRun } from './container.ts';
import type { EngineContext } from './context.ts';
import type { ExecRecord, PodRecord, RunRecord } from './model/record.ts';
import type { OutputSink, Sandbox } from './ports/pod-runtime.ts';
import { adoptExec } from './exec.ts';
import { Exec } from './exec-process.ts';
import { locked } from './locked.ts';
import { foundDeadExitCode, recordExit, watchRun, writeOut } from './finish.ts';
import { removeTraces } from './remove-traces.ts';
import { restartsWithDaemon } from './restart-policy.ts';
import { scheduleRestart } from './schedule-restart.ts';

/** Sandboxes that are looked for at the same time. */
const parallel = 8;

/** Docker's exit code of a start that failed for another reason than the command's. */
const interruptedStartExitCode = 128;

/** Resolves when every container's status is true again. Containers that are to be restarted start after that. */
export async function reconcile(context: EngineContext, signal: AbortSignal): Promise<void> {
  const { registry, observer } = context;
  const pods = registry.pods();
  const pending = pods.values();
  const workers = Array.from({ length: Math.min(parallel, pods.length) }, async () => {
    for (const pod of pending) {
      try {
        await locked(context.lock, pod.id, () => reconcilePod(context, pod, signal), signal);
      } catch (error) {
        signal.throwIfAborted();
        observer.warn(`pod ${pod.id} could not be reconciled: ${messageOf(error)}`, error);
      }
    }
  });
  await Promise.all(workers);
  await removeStrays(context);
  for (const container of registry.all()) applyRestartPolicy(context, container);
}

async function reconcilePod(context: EngineContext, pod: PodRecord, signal: AbortSignal): Promise<void> {
  const { registry } = context;
  const containers = registry.all().filter(({ record }) => record.podId === pod.id);
  const sandbox = await findSandbox(context, pod, signal);
  let inUse = false;
  for (const container of containers) {
    if (container.record.startingSince !== undefined) undoStart(context, container);
    if (await reconcileContainer(context, container, sandbox, signal)) inUse = true;
  }
  if (!inUse) {
    await sandbox?.destroy();
    if (pod.sandbox !== undefined) registry.recordPod(pod.id, { sandbox: undefined });
  }
  for (const container of containers) {
    const done = container.record.spec.autoRemove && container.exit !== undefined;
    if (container.run === undefined && (done || container.record.removal === true))
      await removeTraces(context, container);
  }
  if (containers.length === 0) registry.removePod(pod.id);
}

/** Undefined when it is gone, or cannot be reached: what is left of it is then removed as a stray. */
async function findSandbox(
  context: EngineContext,
  pod: PodRecord,
  signal: AbortSignal,
): Promise<Sandbox | undefined> {
  if (pod.sandbox?.record === undefined) return undefined;
  try {
    return await context.runtime.resumeSandbox(pod.sandbox.record, signal);
  } catch (error) {
    signal.throwIfAborted();
    context.observer.warn(`the sandbox of pod ${pod.id} is given up: ${messageOf(error)}`, error);
    return undefined;
  }
}

/** Whether it runs. One that has ended is only written out: that is what the last daemon did not come to. */
async function reconcileContainer(
  context: EngineContext,
  container: Container,
  sandbox: Sandbox | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const facts = container.record.run;
  if (facts === undefined || container.record.removal === true) return false;
  const ended = facts.exit !== undefined;
  if (!ended) container.log?.resumeRun();
  const run =
    sandbox &&
    (await findRun(context, container, facts, sandbox, ended ? nowhere : container.streams, signal));
  if (ended) {
    if (run !== undefined) await writeOut(context, container, run);
    return false;
  }
  if (run === undefined) {
    await recordFoundDead(
      context,
      container,
      sandbox === undefined ? 'its sandbox is gone' : 'its guest lost it',
    );
    return false;
  }
  await takeUp(context, container, facts, run, signal);
  return true;
}

async function findRun(
  context: EngineContext,
  container: Container,
  facts: RunRecord,
  sandbox: Sandbox,
  sink: OutputSink,
  signal: AbortSignal,
): Promise<LiveRun | undefined> {
  const { log } = container;
  try {
    const found = await sandbox.resumeContainer(
      facts.container,
      {
        record: facts.process,
        stdoutOffset: log?.end('stdout') ?? 0n,
        stderrOffset: log?.end('stderr') ?? 0n,
        sink,
      },
      signal,
    );
    return found === undefined ? undefined : { sandbox, container: found };
  } catch (error) {
    signal.throwIfAborted();
    context.observer.warn(`container ${container.id} is given up: ${messageOf(error)}`, error);
    return undefined;
  }
}

/** It goes on as if nothing had been. An end that came meanwhile is told by its process at once. */
async function takeUp(
  context: EngineContext,
  container: Container,
  facts: RunRecord,
  run: LiveRun,
  signal: AbortSignal,
): Promise<void> {
  container.run = run;
  container.streams.started(run.container.process);
  try {
    await run.container.freeze(facts.paused); // the last daemon may have stored the wish and not come to the deed
  } catch (error) {
    // One that has ended meanwhile is neither.
    if (errorCodeOf(error) !== 'failed_precondition')
      context.observer.warn(`cannot make sure whether container ${container.id} is paused`, error);
  }
  for (const exec of container.record.execs) await takeUpExec(context, container, run, exec, signal);
  watchRun(context, container, run);
}

async function takeUpExec(
  context: EngineContext,
  container: Container,
  run: LiveRun,
  record: ExecRecord,
  signal: AbortSignal,
): Promise<void> {
  const exec = new Exec(record.id, container.id, record.spec);
  container.execs.set(exec.id, exec);
  try {
    const process = await run.container.resumeExec(
      { record: record.process, stdoutOffset: 0n, stderrOffset: 0n, sink: exec.streams },
      signal,
    );
    if (process !== undefined) {
      adoptExec(context, container, run, exec, process);
      return;
    }
  } catch (error) {
    signal.throwIfAborted();
    context.observer.warn(`exec ${exec.id} is given up: ${messageOf(error)}`, error);
  }
  exec.state = { name: 'ended', pid: record.pid, exitCode: foundDeadExitCode };
  const execs = container.record.execs.filter(({ id }) => id !== exec.id);
  context.registry.record(container, { execs });
}

async function recordFoundDead(context: EngineContext, container: Container, why: string): Promise<void> {
  await container.log?.endRun();
  recordExit(context, container, {
    exitCode: foundDeadExitCode,
    oomKilled: false,
    error: `it ended while no daemon ran: ${why}`,
    finishedAt: Date.now(),
  });
}

function undoStart(context: EngineContext, container: Container): void {
  context.registry.record(container, {
    startingSince: undefined,
    startFailure: {
      exitCode: interruptedStartExitCode,
      oomKilled: false,
      error: 'the daemon ended while the container was being started: start it again',
      finishedAt: Date.now(),
    },
  });
}

/** Whatever belongs to nobody. That it could not be removed keeps no container from running. */
async function removeStrays(context: EngineContext): Promise<void> {
  const { registry, observer } = context;
  const containers = new Set(registry.all().map(({ id }) => id));
  const sandboxes = new Set(
    registry.pods().flatMap(({ sandbox }) => (sandbox === undefined ? [] : [sandbox.id])),
  );
  const outcomes = await Promise.allSettled([
    context.runtime.removeStrays(sandboxes),
    context.images.reconcile(containers),
    context.disks.removeStrays(containers),
    context.logs.removeStrays(containers),
  ]);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected')
      observer.warn('cannot remove what a crash left behind', outcome.reason);
  }
}

function applyRestartPolicy(context: EngineContext, container: Container): void {
  const { record, exit } = container;
  if (container.run !== undefined || container.pendingRestart !== undefined) return;
  if (record.run === undefined || exit === undefined) return;
  const { manuallyStopped, restartCount } = record;
  if (!restartsWithDaemon({ policy: record.spec.restartPolicy, exit, manuallyStopped, restartCount })) return;
  context.registry.record(container, { manuallyStopped: false });
  scheduleRestart(context, container, 0);
}

const nowhere: OutputSink = {
  write: () => undefined,
  close: () => undefined,
};
