/** Starts a container: layers held, disk made, a sandbox of its own, its first process in it. All or nothing. */
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { StartError } from '../errors/start-error.ts';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { EngineContext } from './context.ts';
import type { ImageStore } from './ports/images.ts';
import type { LayerFile } from './ports/pod-runtime.ts';
import { exitOf } from './container.ts';
import type { Container, LiveRun } from './container.ts';
import { allows } from './container-status.ts';
import { watchRun } from './finish.ts';
import { locked } from './locked.ts';
import { removeTraces } from './remove-traces.ts';
import { containerStartSpec, sandboxSpec } from './start-specs.ts';
import { traced } from './traced.ts';

/** Docker's exit code of a start that failed for another reason than the command's. */
const unknownFailure = 128;

/**
 * False when it runs already. `policy`: the restart policy asks, so what it counts is kept.
 * Throws StartError when the command cannot be started; the failure is recorded, and nothing else is left of it.
 */
export async function startContainer(
  context: EngineContext,
  container: Container,
  who: 'user' | 'policy',
  signal: AbortSignal,
): Promise<boolean> {
  const askedMs = performance.now();
  const started = await locked(
    context.lock,
    container.record.podId,
    () => startLocked(context, container, who, signal),
    signal,
  );
  if (started) context.observer.span(container.id, 'engine.start', askedMs, performance.now() - askedMs);
  return started;
}

async function startLocked(
  context: EngineContext,
  container: Container,
  who: 'user' | 'policy',
  signal: AbortSignal,
): Promise<boolean> {
  if (!context.registry.has(container.id))
    throw new EngineError('not_found', `No such container: ${container.id}`);
  if (who === 'policy' && container.record.manuallyStopped) return false;
  if (!canStart(container, who)) return false;
  await container.leftover?.destroy();
  container.leftover = undefined;
  const sandboxId = randomBytes(32).toString('hex');
  // The intent: a crash from here on leaves a sandbox that has no record, and so gets removed as a stray.
  context.registry.commit(
    container,
    {
      startingSince: Date.now(),
      ...(who === 'user' && { manuallyStopped: false, restartCount: 0 }),
    },
    { sandbox: { id: sandboxId } },
  );
  if (who === 'user') container.backoff.reset();
  try {
    container.execs.clear();
    const run = await begin(context, container, sandboxId, signal);
    container.run = run;
    context.events.container(container, 'start');
    container.streams.started(run.container.process);
    watchRun(context, container, run);
  } catch (error) {
    await recordFailure(context, container, error);
    throw error;
  }
  return true;
}

function canStart(container: Container, who: 'user' | 'policy'): boolean {
  const { status } = container;
  if (status === 'running' || (status === 'restarting' && who === 'user')) return false;
  if (allows(status, 'start')) return true;
  if (status === 'paused')
    throw new EngineError('failed_precondition', 'cannot start a paused container, try unpause instead');
  throw new EngineError(
    'failed_precondition',
    `container ${container.id} is marked for removal and cannot be started`,
  );
}

/**
 * As they were held at creation, also when the image itself was removed by force since. Asking for the hold again costs
 * the image store a write, so that is done only when they are not where they were: it says what is missing.
 */
function heldLayers(images: ImageStore, { id, record }: Container): readonly LayerFile[] {
  const { layers, spec } = record;
  return layers.every(({ path }) => existsSync(path)) ? layers : images.hold(id, spec.imageId);
}

/** Everything that it made is undone when a step fails, the storing of the result included. */
async function begin(
  context: EngineContext,
  container: Container,
  sandboxId: string,
  signal: AbortSignal,
): Promise<LiveRun> {
  const { runtime, images, disks, observer, settings } = context;
  const { id } = container;
  const { spec } = container.record;
  const askedMs = performance.now();
  const layers = heldLayers(images, container);
  await using undo = new AsyncDisposableStack();
  const making = traced(observer, id, 'engine.sandbox', () =>
    runtime.createSandbox(sandboxSpec(sandboxId, spec, runtime.info().defaultVcpus), signal),
  );
  const [made, disk] = await Promise.allSettled([
    making.then((sandbox) => undo.use(sandbox)),
    traced(observer, id, 'engine.disk', () => disks.ensure(id, spec.storageSizeBytes, signal)),
  ]);
  if (made.status === 'rejected') throw made.reason;
  if (disk.status === 'rejected') throw disk.reason;
  const sandbox = made.value;
  const startSpec = containerStartSpec(spec, {
    id,
    layers,
    writablePath: disk.value,
    resolvConf: settings.resolvConf(),
    size: container.terminalSize,
  });
  container.log?.beginRun();
  const started = await traced(observer, id, 'engine.process', () =>
    sandbox.startContainer(startSpec, container.streams, signal),
  );
  const run = { sandbox, container: started };
  commitRun(context, container, run, performance.now() - askedMs);
  undo.move(); // from here on the run owns the sandbox
  return run;
}

function commitRun(context: EngineContext, container: Container, run: LiveRun, startMs: number): void {
  const { sandbox } = run;
  context.registry.commit(
    container,
    {
      startingSince: undefined,
      startFailure: undefined,
      run: {
        startedAt: Date.now(),
        startMs: Math.round(startMs * 1000) / 1000,
        origin: sandbox.origin,
        sandboxPid: sandbox.pid,
        container: run.container.record,
        process: run.container.process.record,
        paused: false,
      },
    },
    { sandbox: { id: sandbox.id, record: sandbox.record } },
  );
}

/** Clients that were attached are let go; who waits for the end learns of it. */
async function recordFailure(context: EngineContext, container: Container, error: unknown): Promise<void> {
  const exit = {
    exitCode: error instanceof StartError ? error.exitCode : unknownFailure,
    oomKilled: false,
    error: messageOf(error),
    finishedAt: Date.now(),
  };
  const { streams } = container;
  container.streams = container.newStreams();
  await streams.finish();
  context.registry.record(
    container,
    { startingSince: undefined, startFailure: exit },
    { sandbox: undefined },
  );
  container.waiters.exited(exitOf(exit));
  if (container.record.spec.autoRemove) await removeTraces(context, container);
}
