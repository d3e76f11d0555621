/** The runtime's port on a FakeHost: one of these for each life of the daemon. */
import { EngineError } from '../../errors/engine-error.ts';
import { StartError } from '../../errors/start-error.ts';
import type { Json } from '../model/json.ts';
import type {
  ContainerStartSpec,
  ContainerStats,
  OutputSink,
  PodRuntime,
  ProcessResume,
  ProcessSpec,
  RuntimeInfo,
  Sandbox,
  SandboxContainer,
  SandboxProcess,
  SandboxSpec,
} from '../ports/pod-runtime.ts';
import { FakeContainer, FakeProcess, FakeSandbox, fieldOf } from './fake-host.ts';
import type { FakeHost } from './fake-host.ts';
import type { Life } from './fake-stores.ts';

export class FakePodRuntime implements PodRuntime {
  readonly host: FakeHost;
  readonly #life: Life;
  /** Steps that are to fail: 'createSandbox', 'startContainer', 'freeze', 'remove', 'destroy', 'signal', … */
  readonly failing = new Set<string>();
  readonly calls: string[] = [];
  /** Awaited before the step of this name, to hold it. */
  readonly gates = new Map<string, Promise<unknown>>();

  constructor(host: FakeHost, life: Life) {
    this.host = host;
    this.#life = life;
  }

  info(): RuntimeInfo {
    return {
      name: 'fake',
      vmm: 'none',
      vmmVersion: '0',
      accelerator: 'none',
      kernelRelease: '0',
      kernelKind: 'custom',
      kernelPath: '',
      templates: 0,
      pool: { target: 0, ready: 0 },
      defaultMemoryBytes: 1 << 30,
      defaultVcpus: 2,
    };
  }

  async createSandbox(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    await this.step('createSandbox');
    signal.throwIfAborted();
    const sandbox = new FakeSandbox(spec.id);
    this.host.sandboxes.set(spec.id, sandbox);
    return this.#sandbox(sandbox);
  }

  async resumeSandbox(record: Json): Promise<Sandbox | undefined> {
    await this.step('resumeSandbox');
    const sandbox = this.host.sandboxes.get(String(fieldOf(record, 'id')));
    return sandbox && this.#sandbox(sandbox);
  }

  async removeStrays(known: ReadonlySet<string>): Promise<void> {
    await this.step('removeStrays');
    for (const [id, sandbox] of this.host.sandboxes) {
      if (known.has(id)) continue;
      this.host.sandboxes.delete(id);
      sandbox.kill('stray');
    }
  }

  async step(name: string): Promise<void> {
    this.calls.push(name);
    await this.gates.get(name);
    await this.#life.do(() => undefined);
    if (this.failing.has(name)) throw new EngineError('unavailable', `${name} fails as the test wants`);
  }

  #sandbox(sandbox: FakeSandbox): Sandbox {
    const destroy = async () => {
      await this.step('destroy');
      this.host.sandboxes.delete(sandbox.id);
      sandbox.kill('destroyed');
    };
    return {
      id: sandbox.id,
      record: { id: sandbox.id },
      origin: {
        how: 'pool',
        vmm: 'none',
        accelerator: 'none',
        kernelRelease: '0',
        kernelKind: 'custom',
      },
      pid: 4242,
      vcpus: 1,
      memoryBytes: 1 << 30,
      lost: new Promise(() => undefined),
      startContainer: (spec, sink) => this.#startContainer(sandbox, spec, sink),
      resumeContainer: async (record, resume) => {
        await this.step('resumeContainer');
        const container = sandbox.containers.get(String(fieldOf(record, 'id')));
        const process = container?.processes.get(Number(fieldOf(resume.record, 'handle')));
        if (container === undefined || process === undefined) return undefined;
        process.resume(resume.sink, resume.stdoutOffset, resume.stderrOffset);
        return this.#container(sandbox, container);
      },
      destroy,
      [Symbol.asyncDispose]: destroy,
    };
  }

  async #startContainer(
    sandbox: FakeSandbox,
    spec: ContainerStartSpec,
    sink: OutputSink,
  ): Promise<SandboxContainer> {
    await this.step('startContainer');
    const container = new FakeContainer(spec);
    this.#run(container, spec.process, sink);
    sandbox.containers.set(spec.id, container);
    return this.#container(sandbox, container);
  }

  #run(container: FakeContainer, spec: ProcessSpec, sink: OutputSink): FakeProcess {
    const program = this.host.programs.get(spec.args[0] ?? '');
    if (program === undefined)
      throw new StartError(127, 'invalid_argument', `exec: "${spec.args[0] ?? ''}": not found in $PATH`);
    const process = new FakeProcess(container.processes.size + 1, spec, sink);
    container.processes.set(process.handle, process);
    // The first process is PID 1 of its namespace: its end is everybody's.
    if (process.handle === 1) void process.exited.promise.then(() => container.killAll());
    void Promise.try(() => program(process)).then(
      (exitCode) => process.exit({ exitCode, oomKilled: false, exitedAt: new Date() }),
      () => process.exit({ exitCode: 1, oomKilled: false, exitedAt: new Date() }),
    );
    return process;
  }

  #container(sandbox: FakeSandbox, container: FakeContainer): SandboxContainer {
    return {
      process: this.#process(container.main),
      record: { id: container.spec.id },
      exec: async (spec: ProcessSpec, sink: OutputSink) => {
        await this.step('exec');
        return this.#process(this.#run(container, spec, sink));
      },
      resumeExec: async (resume: ProcessResume) => {
        await this.step('resumeExec');
        const process = container.processes.get(Number(fieldOf(resume.record, 'handle')));
        process?.resume(resume.sink, resume.stdoutOffset, resume.stderrOffset);
        return process && this.#process(process);
      },
      freeze: async (frozen: boolean) => {
        await this.step('freeze');
        container.frozen = frozen;
      },
      update: async (resources) => {
        await this.step('update');
        container.resources = resources;
      },
      stats: (): Promise<ContainerStats> => Promise.reject(new EngineError('unimplemented', 'no stats here')),
      top: () => Promise.resolve([]),
      remove: async () => {
        await this.step('remove');
        container.removed = true;
        sandbox.containers.delete(container.spec.id);
      },
    };
  }

  #process(process: FakeProcess): SandboxProcess {
    return {
      pid: process.pid,
      record: { handle: process.handle },
      exited: process.exited.promise,
      drained: process.drained.promise,
      writeStdin: async (chunk) => {
        await this.step('writeStdin');
        if (process.end !== undefined)
          throw new EngineError('failed_precondition', 'it does not read any more');
        process.input.push(Buffer.from(chunk));
        process.changed();
      },
      closeStdin: async () => {
        await this.step('closeStdin');
        process.inputClosed = true;
        process.changed();
      },
      signal: async (signal) => {
        await this.step('signal');
        process.signals.push(signal);
        process.changed();
        if (signal === 9) process.exit({ exitCode: 137, signal, oomKilled: false, exitedAt: new Date() });
      },
      resize: async (size) => {
        await this.step('resize');
        process.size = size;
      },
      release: async () => {
        await this.step('release');
        process.released = true;
      },
    };
  }
}
