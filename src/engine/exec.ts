/** Further processes inside a container that runs. */
import { randomBytes } from 'node:crypto';
import { EngineError } from '../errors/engine-error.ts';
import { StartError } from '../errors/start-error.ts';
import type { EngineContext } from './context.ts';
import type { Container, LiveRun } from './container.ts';
import type { ExecSpec, ExecView } from './model/container.ts';
import type { SandboxProcess, TerminalSize } from './ports/pod-runtime.ts';
import type { AttachStreams, Attachment } from './service.ts';
import { Exec } from './exec-process.ts';
import { liveRun, notRunning } from './pause.ts';
import { execProcessSpec } from './start-specs.ts';
import { traced } from './traced.ts';

/** Ended execs that are remembered of one container: a health check makes thousands in a day. */
const keptEndedExecs = 1000;
/** Docker's exit code of an exec whose start failed for another reason than the command's. */
const startFailedExitCode = 126;
const killedExitCode = 137;

export function createExec(context: EngineContext, nameOrId: string, spec: ExecSpec): ExecView {
  const container = context.registry.get(nameOrId);
  checkExecPossible(container);
  if (spec.args.length === 0) throw new EngineError('invalid_argument', 'No exec command specified');
  if (spec.workingDir !== '' && !spec.workingDir.startsWith('/')) {
    throw new EngineError(
      'invalid_argument',
      `the working directory '${spec.workingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  const exec = new Exec(randomBytes(32).toString('hex'), container.id, spec);
  forgetOldest(container);
  container.execs.set(exec.id, exec);
  context.events.container(container, `exec_create: ${spec.args.join(' ')}`, { execID: exec.id });
  return exec.view();
}

/** Resolves when the process runs. Throws StartError when the command cannot be started, and keeps its exit code. */
export async function startExec(
  context: EngineContext,
  execId: string,
  options: { readonly detach: boolean; readonly size?: TerminalSize },
  streams: AttachStreams,
  signal: AbortSignal,
): Promise<Attachment> {
  const { container, exec } = findExec(context, execId);
  checkExecPossible(container);
  if (exec.state.name === 'ended')
    throw new EngineError('failed_precondition', `exec command ${execId} has already run`);
  if (exec.state.name !== 'created')
    throw new EngineError('failed_precondition', `exec command ${execId} is already running`);
  const { run } = liveRun(container);
  exec.state = { name: 'starting' };
  context.events.container(container, `exec_start: ${exec.spec.args.join(' ')}`, { execID: execId });
  const { attachStdout: stdout, attachStderr: stderr } = exec.spec;
  const attachment = exec.streams.attach(
    { stdout, stderr, logs: false, stream: true },
    options.detach ? {} : streams,
  );
  const spec = execProcessSpec(container.record.spec, exec.spec, {
    detach: options.detach,
    size: options.size ?? exec.terminalSize,
  });
  try {
    const process = await traced(context.observer, container.id, 'engine.exec', () =>
      run.container.exec(spec, exec.streams, signal),
    );
    adoptExec(context, container, run, exec, process);
  } catch (error) {
    const exitCode = error instanceof StartError ? error.exitCode : startFailedExitCode;
    exec.state = { name: 'ended', pid: 0, exitCode };
    await exec.streams.finish();
    throw error;
  }
  return attachment;
}

/** From here on the exec runs: its facts are stored, and its end is watched for. */
export function adoptExec(
  context: EngineContext,
  container: Container,
  run: LiveRun,
  exec: Exec,
  process: SandboxProcess,
): void {
  exec.state = { name: 'running', process };
  const others = container.record.execs.filter(({ id }) => id !== exec.id);
  const record = { id: exec.id, spec: exec.spec, pid: process.pid, process: process.record };
  if (container.run === run) context.registry.record(container, { execs: [...others, record] });
  exec.streams.started(process);
  void process.exited.then((end) => {
    if (context.closing.aborted) return;
    const exitCode = 'lost' in end ? killedExitCode : end.exitCode;
    context.background.run(`cannot finish exec ${exec.id}`, () =>
      finishExec(context, container, run, exec, process, exitCode),
    );
  });
}

/** The exit code is known before the client is told that there is no more output: it asks for it then. */
async function finishExec(
  context: EngineContext,
  container: Container,
  run: LiveRun,
  exec: Exec,
  process: SandboxProcess,
  exitCode: number,
): Promise<void> {
  await exec.streams.drain(process.drained);
  exec.state = { name: 'ended', pid: process.pid, exitCode };
  const runGoesOn = container.run === run;
  if (runGoesOn) {
    const execs = container.record.execs.filter(({ id }) => id !== exec.id);
    context.registry.record(container, { execs });
  }
  context.events.container(container, 'exec_die', { execID: exec.id, exitCode: String(exitCode) });
  await exec.streams.finish();
  if (runGoesOn) await process.release();
}

export async function resizeExec(context: EngineContext, execId: string, size: TerminalSize): Promise<void> {
  const { exec } = findExec(context, execId);
  exec.terminalSize = size;
  if (exec.state.name === 'ended')
    throw new EngineError('failed_precondition', `exec command ${execId} is not running`);
  if (exec.state.name === 'running') await exec.state.process.resize(size);
}

export function findExec(context: EngineContext, execId: string): { container: Container; exec: Exec } {
  for (const container of context.registry.all()) {
    const exec = container.execs.get(execId);
    if (exec !== undefined) return { container, exec };
  }
  throw new EngineError('not_found', `No such exec instance: ${execId}`);
}

function checkExecPossible(container: Container): void {
  const { id, status } = container;
  if (status === 'paused') {
    throw new EngineError(
      'failed_precondition',
      `Container ${id} is paused, unpause the container before exec`,
    );
  }
  if (status === 'restarting') {
    throw new EngineError(
      'failed_precondition',
      `Container ${id} is restarting, wait until the container is running`,
    );
  }
  if (container.run === undefined || status !== 'running') throw notRunning(container);
}

function forgetOldest(container: Container): void {
  if (container.execs.size < keptEndedExecs) return;
  for (const [id, exec] of container.execs) {
    if (exec.isRunning) continue;
    container.execs.delete(id);
    return;
  }
}
