import { EngineError, errorCodeOf } from '../errors/engine-error.ts';
import type { ErrorCode } from '../errors/engine-error.ts';
import type { OutputSink } from '../engine/ports/pod-runtime.ts';
import { protocolError } from '../guest-protocol/bytes.ts';
import type { AgentMessage, Process, ProcessStatus } from '../guest-protocol/generated.ts';
import { AgentProcess, newStreams } from './agent-process.ts';
import type { ProcessChannel } from './agent-process.ts';
import { resumedStreams } from './resumed-streams.ts';
import type { ResumeOffsets } from './resumed-streams.ts';

interface Unclaimed {
  status: ProcessStatus;
  stdinLimit: bigint;
  stdinClosed: boolean;
}

const discard: OutputSink = { write: () => undefined, close: () => undefined };
const sigkill = 9;
/** Why a process cannot be killed that needs no killing any more: it has ended, or its machine is going. */
const overAnyway: ReadonlySet<ErrorCode> = new Set([
  'not_found',
  'failed_precondition',
  'unavailable',
  'canceled',
]);

/** The processes of one connection: who is there, and what the agent says about each. */
export class ProcessTable {
  readonly #channel: ProcessChannel;
  readonly #warn: (message: string, cause: unknown) => void;
  readonly #processes = new Map<number, AgentProcess>();
  /** `hello` told of them and nobody has taken them up yet. */
  readonly #unclaimed = new Map<number, Unclaimed>();

  constructor(
    known: readonly ProcessStatus[],
    channel: ProcessChannel,
    warn: (message: string, cause: unknown) => void,
  ) {
    this.#channel = channel;
    this.#warn = warn;
    for (const status of known) {
      this.#unclaimed.set(status.process, { status, stdinLimit: status.stdinReceived, stdinClosed: false });
    }
  }

  /** Before it is started: its output may come before the reply. */
  add(container: number, spec: Process, sink: OutputSink): AgentProcess {
    if (this.#processes.has(spec.process) || this.#unclaimed.has(spec.process)) {
      throw new EngineError('internal', `process handle ${spec.process} is in use`);
    }
    const process = new AgentProcess(spec.process, container, newStreams(spec), sink, this.#channel);
    this.#processes.set(spec.process, process);
    return process;
  }

  /** See `AgentConnection.resumeProcess`. */
  claim(handle: number, offsets: ResumeOffsets, sink: OutputSink): { process: AgentProcess; pid: number } {
    const unclaimed = this.#unclaimed.get(handle);
    if (unclaimed === undefined) {
      throw new EngineError('not_found', `the guest has no process ${handle} to take up again`);
    }
    const { status, stdinLimit, stdinClosed } = unclaimed;
    const streams = resumedStreams(status, offsets, stdinLimit);
    this.#unclaimed.delete(handle);
    const process = new AgentProcess(handle, status.container, streams, sink, this.#channel);
    this.#processes.set(handle, process);
    process.requestOutput();
    if (stdinClosed) process.receiveStdinWindow(0n, true);
    if (status.state === 'exited') process.receiveExit(status);
    if (status.stdoutClosed && status.stdoutEnd === streams.stdout)
      process.receiveClosed('stdout', streams.stdout);
    if (status.stderrClosed && status.stderrEnd === streams.stderr)
      process.receiveClosed('stderr', streams.stderr);
    return { process, pid: status.pid };
  }

  /** Takes up processes nobody else will, so that their unread output does not stop them, and forgets them at their end. */
  discardUnclaimed(): void {
    for (const { status } of [...this.#unclaimed.values()]) {
      const offsets = {
        stdoutOffset: status.stdoutAcked,
        stderrOffset: status.stderrAcked,
        tty: false,
        stdinOpen: false,
        discardOutput: false,
      };
      this.#releaseAtEnd(this.claim(status.process, offsets, discard).process);
    }
  }

  /** Its start failed: the agent does not know it. */
  remove(handle: number): void {
    this.#processes.delete(handle);
  }

  /** Whoever started it gave up before it had started. */
  killAbandoned(process: AgentProcess): void {
    process.signal(sigkill).catch((error: unknown) => {
      if (overAnyway.has(errorCodeOf(error))) return;
      this.#warn(`cannot kill abandoned process ${process.handle}`, error);
    });
    this.#releaseAtEnd(process);
  }

  /** A stream message. Throws when it does not fit what the process is. */
  receive(handle: number, message: AgentMessage): void {
    const process = this.#processes.get(handle);
    if (process === undefined) {
      this.#receiveUnclaimed(handle, message);
      return;
    }
    switch (message.type) {
      case 'data':
        process.receiveData(message.stream, message.offset, asBuffer(message.bytes));
        return;
      case 'closed':
        process.receiveClosed(message.stream, message.offset);
        return;
      case 'stdinWindow':
        process.receiveStdinWindow(message.limit, message.closed);
        return;
      case 'exited':
        process.receiveExit(message);
        return;
      default:
        throw protocolError(`${message.type} where it does not belong`);
    }
  }

  loseAll(why: string): void {
    for (const process of this.#processes.values()) process.lose(why);
    this.#processes.clear();
    this.#unclaimed.clear();
  }

  #receiveUnclaimed(handle: number, message: AgentMessage): void {
    const unclaimed = this.#unclaimed.get(handle);
    if (unclaimed === undefined)
      throw protocolError(`${message.type} for process ${handle}, which does not exist`);
    if (message.type === 'stdinWindow') {
      unclaimed.stdinLimit = message.limit;
      unclaimed.stdinClosed ||= message.closed;
      return;
    }
    if (message.type !== 'exited') throw protocolError(`${message.type} for process ${handle}, unasked`);
    const { exitCode, signal, oomKilled, exitedAtNs } = message;
    unclaimed.status = { ...unclaimed.status, state: 'exited', exitCode, signal, oomKilled, exitedAtNs };
  }

  #releaseAtEnd(process: AgentProcess): void {
    void Promise.all([process.exited, process.drained])
      .then(async ([exit]) => {
        if ('lost' in exit) return;
        await process.release();
      })
      .catch((error: unknown) => this.#warn(`cannot release process ${process.handle}`, error));
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
