import type { ProcessResume } from '../../engine/ports/pod-runtime.ts';
import { errorCodeOf } from '../../errors/engine-error.ts';
import type { GuestMachine } from './guest-machine.ts';
import { MicrovmProcess } from './microvm-process.ts';
import { parseProcessRecord } from './records.ts';

/** Finds a process again and asks for its output from where it was recorded; undefined when the guest has it no more. */
export async function resumeProcess(
  guest: GuestMachine,
  container: number,
  resume: ProcessResume,
  signal: AbortSignal,
): Promise<MicrovmProcess | undefined> {
  signal.throwIfAborted();
  const record = parseProcessRecord(resume.record);
  if (record.container !== container) return undefined;
  try {
    const { process, pid } = guest.agent.resumeProcess(record.process, { ...resume, ...record }, resume.sink);
    return await Promise.resolve(new MicrovmProcess(process, pid, record));
  } catch (error) {
    if (errorCodeOf(error) === 'not_found') return undefined;
    throw error;
  }
}
