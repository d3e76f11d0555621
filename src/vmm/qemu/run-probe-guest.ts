/** Runs the probe guest under one accelerator, with a deadline. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Accelerator } from '../../engine/ports/vmm.ts';
import { withDeadline } from '../../system/deadline.ts';
import { OutputTail } from '../../system/output-tail.ts';
import { greeting, probeImage, probeOutputBytes, tscKhzOf } from './probe-guest.ts';

/** How it went: the guest ran to its end, or how far it got. */
export interface ProbeRun {
  readonly ran: boolean;
  /** Only when it ran. */
  readonly tscKhz: number | undefined;
  /** For people: what happened. */
  readonly account: string;
}

export async function runProbeGuest(
  program: string,
  accelerator: Accelerator,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeRun> {
  signal.throwIfAborted();
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-probe-'));
  const image = join(directory.path, 'probe.bin');
  const output = join(directory.path, 'output'); // into a socket, the serial port would drop what comes too fast
  await writeFile(image, probeImage());
  await writeFile(output, '');
  using deadline = withDeadline(signal, timeoutMs, 'the probe guest');
  const child = spawn(program, probeArguments(accelerator, image, output), {
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => child.kill('SIGKILL');
  deadline.signal.addEventListener('abort', kill, { once: true });
  const errors = new OutputTail(4096);
  child.stderr.on('data', (chunk: Buffer) => {
    errors.push(chunk);
    if (errors.text().includes('KVM internal error')) kill(); // it would wait for a debugger now
  });
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    signal.throwIfAborted();
    return judge(
      await readFile(output),
      code,
      errors.text(),
      deadline.signal.aborted ? timeoutMs : undefined,
    );
  } catch (error) {
    signal.throwIfAborted();
    return { ran: false, tscKhz: undefined, account: `${program} could not be started: ${String(error)}` };
  } finally {
    deadline.signal.removeEventListener('abort', kill);
  }
}

function probeArguments(accelerator: Accelerator, image: string, output: string): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-machine', 'microvm,isa-serial=on,pit=off,pic=off,rtc=off'],
    ...['-accel', accelerator, '-m', '16', '-bios', image],
    ...['-chardev', `file,id=out,path=${output}`, '-serial', 'chardev:out'],
  ];
}

function judge(
  output: Buffer,
  code: number | null,
  errors: string,
  timedOutMs: number | undefined,
): ProbeRun {
  const tscKhz = tscKhzOf(output);
  if (code === 0 && output.length === probeOutputBytes)
    return { ran: true, tscKhz, account: 'a guest ran to its end' };
  const progress =
    output.toString('latin1', 0, greeting.length) === greeting
      ? 'the guest started'
      : 'the guest did not start';
  const firstError = /KVM internal error.*/.exec(errors)?.[0] ?? errors.trim().split('\n').at(-1) ?? '';
  const end =
    timedOutMs !== undefined
      ? `and had not ended after ${timedOutMs} ms`
      : firstError === ''
        ? `and QEMU ended with ${code === null ? 'a signal' : `exit code ${code}`}`
        : `and QEMU said: ${firstError}`;
  return { ran: false, tscKhz: undefined, account: `${progress} ${end}` };
}
