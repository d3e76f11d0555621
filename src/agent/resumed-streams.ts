import { EngineError } from '../errors/engine-error.ts';
import type { ProcessStatus } from '../guest-protocol/generated.ts';
import type { ProcessStreams } from './agent-process.ts';

/** How much of a process's output is safe already, and which streams it was started with. */
export interface ResumeOffsets {
  readonly stdoutOffset: bigint;
  readonly stderrOffset: bigint;
  readonly tty: boolean;
  readonly stdinOpen: boolean;
  readonly discardOutput: boolean;
}

/**
 * Where the streams of a process go on after a reconnect. What the guest no longer has was acknowledged, so it is skipped:
 * the sink sees it as an offset behind the one it asked for.
 */
export function resumedStreams(
  status: ProcessStatus,
  resume: ResumeOffsets,
  stdinLimit: bigint,
): ProcessStreams {
  const { tty, discardOutput } = resume;
  return {
    stdout: discardOutput
      ? undefined
      : startOf('stdout', resume.stdoutOffset, status.stdoutAcked, status.stdoutEnd),
    stderr:
      discardOutput || tty
        ? undefined
        : startOf('stderr', resume.stderrOffset, status.stderrAcked, status.stderrEnd),
    stdin: resume.stdinOpen ? { offset: status.stdinReceived, limit: stdinLimit } : undefined,
  };
}

function startOf(name: string, recorded: bigint, acked: bigint, end: bigint): bigint {
  if (acked > end || recorded > end) {
    throw new EngineError(
      'data_loss',
      `${name}: ${String(recorded)} bytes are recorded, the guest has ${String(acked)} to ${String(end)}`,
    );
  }
  return recorded > acked ? recorded : acked;
}
