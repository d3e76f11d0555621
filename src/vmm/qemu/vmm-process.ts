/** A VMM's process: our child, or one that an earlier daemon started. Either way its end is noticed, once. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { OutputTail } from '../../system/output-tail.ts';
import { isSameProcessAlive, signalProcess } from '../../system/process-identity.ts';
import type { ProcessIdentity } from '../../system/process-identity.ts';

export interface ProcessEnd {
  readonly code?: number;
  readonly signal?: NodeJS.Signals;
}

export interface VmmProcess {
  readonly identity: ProcessIdentity;
  /** Resolves when the process is gone; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** The last it said on its standard error; empty for one we did not start. */
  lastWords(): string;
}

const lastWordsBytes = 8 << 10;
/** A VMM that has closed its control socket is ending, or was broken into. */
const graceAfterHangUpMs = 2000;

export function childVmmProcess(child: ChildProcess, identity: ProcessIdentity): VmmProcess {
  const tail = new OutputTail(lastWordsBytes);
  child.stderr?.on('data', (chunk: Buffer) => tail.push(chunk));
  const { promise, resolve } = Promise.withResolvers<ProcessEnd>();
  // `close` comes when its standard error has been read to its end too: nothing of the last words is lost.
  child.once('close', (code, signal) =>
    resolve({ ...(code !== null && { code }), ...(signal !== null && { signal }) }),
  );
  return { identity, ended: promise, lastWords: () => withoutNoise(tail.text()) };
}

/** What QEMU warns of and is meant to be so: a card without a cable, memory that is the template's and stays. */
const noise = [
  'warning: hub 0 is not connected to host network',
  'ram_block_discard_range: Discarding RAM with readonly files is not supported',
];

function withoutNoise(text: string): string {
  const lines = text.split('\n').filter((line) => !noise.some((known) => line.endsWith(known)));
  return lines.join('\n').trim();
}

/** `hungUp` resolves when its control socket has ended, which the kernel does when the process does. */
export function adoptedVmmProcess(identity: ProcessIdentity, hungUp: Promise<unknown>): VmmProcess {
  return { identity, ended: hungUp.then(() => waitForEnd(identity)), lastWords: () => '' };
}

async function waitForEnd(identity: ProcessIdentity): Promise<ProcessEnd> {
  const deadline = Date.now() + graceAfterHangUpMs;
  while (isSameProcessAlive(identity)) {
    if (Date.now() > deadline) signalProcess(identity, 'SIGKILL');
    await delay(5);
  }
  return {};
}

/** Ends a process that has closed its control socket and stays. */
export async function endAfterHangUp(vmm: VmmProcess, hungUp: Promise<unknown>): Promise<void> {
  await hungUp;
  const timer = setTimeout(() => signalProcess(vmm.identity, 'SIGKILL'), graceAfterHangUpMs);
  await vmm.ended;
  clearTimeout(timer);
}

/** SIGKILL, and waits for the end. */
export async function killVmmProcess(vmm: VmmProcess): Promise<void> {
  signalProcess(vmm.identity, 'SIGKILL');
  await vmm.ended;
}
