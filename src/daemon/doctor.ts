/** `dvm doctor`: the host as the VMM needs it, and what belongs to the daemon itself. */
import { statSync } from 'node:fs';
import type { DvmDoctor, HostCheck } from '../api/dvm/schemas.ts';
import { checkHost } from '../vmm/qemu/check-host.ts';
import { checkKvm } from '../vmm/qemu/probe-accelerator.ts';
import type { DaemonConfig } from './config.ts';

const kvmTimeoutMs = 2000;

export interface DoctorOptions {
  readonly config: DaemonConfig;
  readonly kernel: () => { readonly kind: string; readonly release: string; readonly path: string };
  readonly kernelReason: () => string;
  /** Whether machines of the pool can rehearse. */
  readonly rehearses: boolean;
}

export async function examineHost(options: DoctorOptions, signal: AbortSignal): Promise<DvmDoctor> {
  const { config } = options;
  const found = await checkHost(
    {
      kvm: await checkKvm('/dev/kvm', kvmTimeoutMs, signal),
      dataDirectory: config.dataDirectory,
      stateDirectory: config.stateDirectory,
    },
    signal,
  );
  const checks: HostCheck[] = [
    ...found.map(({ name, status, found: message, advice }) => ({
      name,
      status: status === 'error' ? ('failed' as const) : status,
      message,
      ...(advice !== '' && { advice }),
    })),
    checkKernel(options),
    checkRehearsal(options),
    checkSocket(config),
  ];
  return { healthy: checks.every((check) => check.status !== 'failed'), checks };
}

function checkKernel({ kernel, kernelReason }: DoctorOptions): HostCheck {
  const { kind, release, path } = kernel();
  const message = `${kind} ${release} (${path}): ${kernelReason()}`;
  if (kind !== 'stock') return { name: 'guest kernel', status: 'ok', message };
  const advice = 'wait for the trimmed kernel, which boots faster, or build it with "make kernels"';
  return { name: 'guest kernel', status: 'warning', message, advice };
}

function checkRehearsal({ rehearses }: DoctorOptions): HostCheck {
  if (rehearses)
    return { name: 'rehearsal', status: 'ok', message: 'machines that wait have run a program once' };
  return {
    name: 'rehearsal',
    status: 'warning',
    message: 'there is no static /bin/busybox to rehearse with: the first program in a machine starts slower',
    advice: 'install busybox-static and restart the daemon',
  };
}

function checkSocket({ socketPath, group }: DaemonConfig): HostCheck {
  const permissions = (statSync(socketPath).mode & 0o777).toString(8).padStart(4, '0');
  const message = `${socketPath}, mode ${permissions}`;
  if (permissions === '0660') return { name: 'socket', status: 'ok', message: `${message}, group ${group}` };
  const advice = `to let others than root use it: groupadd --system ${group}, restart the daemon, usermod -aG ${group} USER`;
  return { name: 'socket', status: 'warning', message, advice };
}
