/**
 * KVM or emulation: decided by running a guest, not by looking at /dev/kvm, which can open, make a machine and a
 * processor, and still never run a stock guest (nested virtualisation that is missing or emulated).
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Accelerator } from '../../engine/ports/vmm.ts';
import { isErrno } from '../../system/errno.ts';
import { programFor } from './qemu-program.ts';
import { runProbeGuest } from './run-probe-guest.ts';

export interface KvmCheck {
  readonly status: 'works' | 'no-device' | 'no-permission' | 'does-not-run';
  readonly explanation: string;
}

/** Holds until the next boot of the host: whoever asks keeps it as JSON with the boot id. */
export interface AcceleratorProbe {
  /** What to use. */
  readonly accelerator: Accelerator;
  /** One line for people: why. */
  readonly explanation: string;
  readonly kvm: KvmCheck;
  /** In emulation: how fast the guest's time stamp counter runs, for its kernel. */
  readonly tscKhz?: number;
}

export interface ProbeOptions {
  /** What the user asked for; `auto` by default: KVM where it works. */
  readonly wanted?: 'auto' | Accelerator;
  readonly device?: string;
  readonly kvmTimeoutMs?: number;
}

const emulationTimeoutMs = 15_000;

export async function probeAccelerator(
  options: ProbeOptions,
  signal: AbortSignal,
): Promise<AcceleratorProbe> {
  const wanted = options.wanted ?? 'auto';
  const kvm = await checkKvm(options.device ?? '/dev/kvm', options.kvmTimeoutMs ?? 2000, signal);
  const accelerator = wanted === 'auto' ? (kvm.status === 'works' ? 'kvm' : 'tcg') : wanted;
  const asked = wanted === 'auto' ? '' : 'asked for by the configuration; ';
  const explanation = `${asked}${kvm.explanation}`;
  if (accelerator === 'kvm') return { accelerator, explanation, kvm };
  const { tscKhz } = await runProbeGuest(programFor('tcg'), 'tcg', emulationTimeoutMs, signal);
  return { accelerator, explanation, kvm, ...(tscKhz !== undefined && { tscKhz }) };
}

export async function checkKvm(device: string, timeoutMs: number, signal: AbortSignal): Promise<KvmCheck> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return {
        status: 'no-device',
        explanation: `there is no ${device}: this host offers no virtualisation`,
      };
    }
    return { status: 'no-permission', explanation: `${device} cannot be opened for reading and writing` };
  }
  const run = await runProbeGuest(programFor('kvm'), 'kvm', timeoutMs, signal);
  if (run.ran) return { status: 'works', explanation: 'KVM works: a probe guest ran' };
  return {
    status: 'does-not-run',
    explanation: `${device} opens, but KVM does not run a guest: ${run.account}`,
  };
}
