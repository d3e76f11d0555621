/** dvm port */
import type { ContainerInspect } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';

interface PortBinding {
  readonly HostIp: string;
  readonly HostPort: string;
}

export const command: Command = {
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  flags: [],
  args: { min: 1, max: 2 },
  completeArgs: 'running-container',
  run: async ({ args, client, out }) => {
    const [name = '', wanted] = args;
    const container = await client.json<ContainerInspect>(
      'GET',
      `/containers/${encodeURIComponent(name)}/json`,
    );
    const ports = (container.NetworkSettings['Ports'] ?? {}) as Readonly<
      Record<string, readonly PortBinding[] | null>
    >;
    const port = wanted === undefined || wanted.includes('/') ? wanted : `${wanted}/tcp`;
    const lines = Object.entries(ports)
      .filter(([key]) => port === undefined || key === port)
      .flatMap(([key, bindings]) =>
        (bindings ?? []).map((binding) => (port === undefined ? `${key} -> ` : '') + hostAddress(binding)),
      );
    if (port !== undefined && lines.length === 0) {
      throw new ExitError(1, `no public port '${wanted ?? ''}' published for ${name}`);
    }
    for (const line of lines.toSorted()) await out.line(line);
    return 0;
  },
};

function hostAddress({ HostIp, HostPort }: PortBinding): string {
  return HostIp.includes(':') ? `[${HostIp}]:${HostPort}` : `${HostIp}:${HostPort}`;
}
