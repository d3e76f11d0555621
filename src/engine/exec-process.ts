/** An exec in the living daemon. It is kept until its container starts anew or is removed. */
import type { ExecSpec, ExecView } from './model/container.ts';
import type { SandboxProcess, TerminalSize } from './ports/pod-runtime.ts';
import { ProcessStreams } from './output/process-streams.ts';

type State =
  | { readonly name: 'created' | 'starting' }
  | { readonly name: 'running'; readonly process: SandboxProcess }
  | { readonly name: 'ended'; readonly pid: number; readonly exitCode: number };

export class Exec {
  readonly id: string;
  readonly containerId: string;
  readonly spec: ExecSpec;
  readonly streams: ProcessStreams;
  state: State = { name: 'created' };
  /** The latest that was asked for before the process was there. */
  terminalSize: TerminalSize | undefined;

  constructor(id: string, containerId: string, spec: ExecSpec) {
    this.id = id;
    this.containerId = containerId;
    this.spec = spec;
    this.terminalSize = spec.size;
    this.streams = new ProcessStreams(undefined, { open: spec.attachStdin, closesWithClient: !spec.tty });
  }

  /** Docker counts one that is just being started. */
  get isRunning(): boolean {
    return this.state.name === 'starting' || this.state.name === 'running';
  }

  get pid(): number {
    if (this.state.name === 'running') return this.state.process.pid;
    return this.state.name === 'ended' ? this.state.pid : 0;
  }

  view(): ExecView {
    return {
      id: this.id,
      containerId: this.containerId,
      spec: this.spec,
      running: this.isRunning,
      pid: this.pid,
      ...(this.state.name === 'ended' && { exitCode: this.state.exitCode }),
    };
  }
}
