/** What every container of a daemon runs in, unless it brought a kernel of its own. */
import type { DvmInfo } from '../../client/api-types.ts';
import type { DaemonClient } from '../../client/daemon-client.ts';

export interface HostOrigin {
  readonly vmm: string;
  readonly accelerator: string;
  readonly kernel: string;
}

export async function hostOrigin(client: DaemonClient, ownKernel: string): Promise<HostOrigin> {
  const info = await client.json<DvmInfo>('GET', '/dvm/v1/info');
  return {
    vmm: `${info.vmm.name} ${info.vmm.version}`,
    accelerator: info.accelerator.name,
    kernel: ownKernel === '' ? `${info.kernel.release} (${info.kernel.kind})` : ownKernel,
  };
}
