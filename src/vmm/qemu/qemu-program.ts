/** Which QEMU is installed. */
import { existsSync } from 'node:fs';
import type { Accelerator } from '../../engine/ports/vmm.ts';
import { EngineError, errorCodeOf } from '../../errors/engine-error.ts';
import { runCommand } from '../../system/run-command.ts';

export const qemuProgram = '/usr/bin/qemu-system-x86_64';
/** A build for `microvm` and KVM alone, in the same Debian package: a quarter of the code and of the libraries. */
const kvmProgram = '/usr/bin/qemu-system-x86_64-microvm';

/** Clones map their template read-only since this version: see the security section of ARCHITECTURE.md. */
export const minimumVersion = '8.2.0';
export const recommendedVersion = '10.0.0';

export const installAdvice =
  'install qemu-system-x86 10.0: on Debian 12 "apt install -t bookworm-backports qemu-system-x86", on Debian 13 its own';

export function programFor(accelerator: Accelerator): string {
  return accelerator === 'kvm' && existsSync(kvmProgram) ? kvmProgram : qemuProgram;
}

/** "10.0.2". Throws `not_found` when there is no such program, `failed_precondition` when it says something else. */
export async function qemuVersion(program: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await runCommand(program, ['--version'], { signal, timeoutMs: 10_000 }).catch(
    (error: unknown) => {
      if (errorCodeOf(error) !== 'not_found') throw error;
      throw new EngineError('not_found', `there is no ${program}: ${installAdvice}`, { cause: error });
    },
  );
  const version = /^QEMU emulator version (\d+\.\d+\.\d+)/.exec(stdout.toString())?.[1];
  if (version !== undefined) return version;
  throw new EngineError(
    'failed_precondition',
    `${program} does not say which version of QEMU it is; ${installAdvice}`,
  );
}

export function isAtLeast(version: string, minimum: string): boolean {
  const [found, wanted] = [version, minimum].map((text) => text.split('.').map(Number)) as [
    number[],
    number[],
  ];
  for (const [index, part] of wanted.entries()) {
    const own = found[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}
