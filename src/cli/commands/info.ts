/** dvm info */
import type { DvmInfo, InfoResponse } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { binarySize } from '../output/human-units.ts';
import { objectFormatter } from '../output/format-object.ts';
import { dvmVersion } from '../version.ts';

export const command: Command = {
  usage: '[OPTIONS]',
  flags: [
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      help: "Format output using a custom template: 'json' or a Go template",
    },
  ],
  args: { min: 0, max: 0 },
  run: async ({ flags, client, out, err }) => {
    const [info, dvm] = await Promise.all([
      client.json<InfoResponse>('GET', '/info'),
      client.json<DvmInfo>('GET', '/dvm/v1/info'),
    ]);
    const format = flags.string('format');
    if (format !== '') {
      await out.line(objectFormatter(format)({ ...info, Dvm: dvm }));
      return 0;
    }
    await out.write(infoText(info, dvm));
    // Docker's API writes the prefix into the text, ours does not.
    const warnings = [...(info.Warnings ?? []), ...dvm.warnings].map((text) =>
      text.replace(/^WARNING: /, ''),
    );
    for (const warning of new Set(warnings)) await err.line(`WARNING: ${warning}`);
    return 0;
  },
};

function infoText(info: InfoResponse, dvm: DvmInfo): string {
  const { vmm, accelerator, kernel, pool, defaults } = dvm;
  return `Client:
 Version:    ${dvmVersion}

Server:
 Containers: ${info.Containers}
  Running: ${info.ContainersRunning}
  Paused: ${info.ContainersPaused}
  Stopped: ${info.ContainersStopped}
 Images: ${info.Images}
 Server Version: ${info.ServerVersion}
 VMM: ${vmm.name} ${vmm.version}
 Accelerator: ${accelerator.name}
  ${accelerator.reason}
 Guest Kernel: ${kernel.release} (${kernel.kind})
  Path: ${kernel.path}
  ${kernel.reason}
 Templates: ${dvm.templates}
 Pool: ${pool.ready} of ${pool.target} ready
 Default Machine: ${defaults.vcpus} vCPUs, ${binarySize(defaults.memoryBytes)}
 Storage Driver: ${info.Driver}
 Host Kernel: ${info.KernelVersion}
 Operating System: ${info.OperatingSystem}
 OSType: ${info.OSType}
 Architecture: ${info.Architecture}
 CPUs: ${info.NCPU}
 Total Memory: ${binarySize(info.MemTotal)}
 Name: ${info.Name}
 ID: ${info.ID}
 Data Directory: ${dvm.dataDirectory}
 State Directory: ${dvm.stateDirectory}
 Socket: ${dvm.socket}
 Daemon Process: ${dvm.pid}
`;
}
