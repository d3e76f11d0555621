import type { AgentProcess } from '../../agent/agent-process.ts';
import type { Json } from '../../engine/model/json.ts';
import type { ProcessExit, SandboxProcess, TerminalSize } from '../../engine/ports/pod-runtime.ts';
import type { Process } from '../../agent/messages.ts';
import type { ProcessRecord } from './records.ts';

/** An agent's process as the engine sees it. */
export class MicrovmProcess implements SandboxProcess {
  readonly pid: number;
  readonly record: Json;
  readonly #process: AgentProcess;

  constructor(process: AgentProcess, pid: number, record: ProcessRecord) {
    this.#process = process;
    this.pid = pid;
    this.record = record;
  }

  get exited(): Promise<ProcessExit | { readonly lost: string }> {
    return this.#process.exited;
  }

  get drained(): Promise<void> {
    return this.#process.drained;
  }

  writeStdin(chunk: Buffer): Promise<void> {
    return this.#process.writeStdin(chunk);
  }

  closeStdin(): Promise<void> {
    return this.#process.closeStdin();
  }

  signal(signal: number, options?: { readonly all?: boolean }): Promise<void> {
    return this.#process.signal(signal, options);
  }

  resize(size: TerminalSize): Promise<void> {
    return this.#process.resize(size);
  }

  release(): Promise<void> {
    return this.#process.release();
  }
}

export function processRecordOf(container: number, process: Process): ProcessRecord {
  const { tty, stdinOpen, discardOutput } = process;
  return { version: 1, process: process.process, container, tty, stdinOpen, discardOutput };
}
