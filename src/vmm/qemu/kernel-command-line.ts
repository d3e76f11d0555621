/** What the guest kernel is told. Numbers and reasons: docs/decisions/0011-guest-idles-quietly.md. */
import type { Accelerator, GuestKernel } from '../../engine/ports/vmm.ts';

export function kernelCommandLine(
  kernel: GuestKernel,
  accelerator: Accelerator,
  tscKhz: number | undefined,
): string {
  return [
    'console=hvc0',
    'quiet',
    'reboot=t', // by triple fault, which ends QEMU (-no-reboot): there is no ACPI to power off with
    'panic=-1',
    'rcupdate.rcu_expedited=1',
    // The guest's memory is its own: compacting it ahead of time only wakes the host twice a second.
    'sysctl.vm.compaction_proactiveness=0',
    'swiotlb=noforce', // no device here needs its 64 MiB of bounce buffers
    ...(accelerator === 'tcg' ? emulationParameters(tscKhz) : []),
    ...(kernel.kind === 'trimmed' ? [] : stockParameters),
  ].join(' ');
}

/**
 * In emulation the guest's time stamp counter is the host's. Left to itself the kernel measures its frequency against
 * an emulated timer, which goes wrong on a busy host: it then hangs in boot, or ticks a hundred times a second for ever.
 */
function emulationParameters(tscKhz: number | undefined): readonly string[] {
  return [
    'tsc=reliable',
    ...(tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`]),
    'mitigations=off', // emulated code cannot speculate
    'no5lvl',
  ];
}

/** Other kernels carry drivers for machines that this is not. */
const stockParameters: readonly string[] = ['i8042.noaux', 'i8042.nokbd', 'random.trust_cpu=on'];
