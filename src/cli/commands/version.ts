/** dvm version */
import type { VersionResponse } from '../../client/api-types.ts';
import { dockerApiVersion } from '../../client/daemon-client.ts';
import type { Command } from '../arguments/command.ts';
import { describeError } from '../output/error-text.ts';
import { ExitError } from '../exit-error.ts';
import { dvmVersion } from '../version.ts';

export const command: Command = {
  usage: '[OPTIONS]',
  flags: [
    { name: 'client', kind: 'bool', help: "Only the client's, without asking the daemon" },
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      help: "Format output using a custom template: 'json' or a Go template",
    },
  ],
  args: { min: 0, max: 0 },
  run: async ({ flags, client, out }) => {
    const own = {
      Platform: { Name: 'DVM' },
      Version: dvmVersion,
      ApiVersion: dockerApiVersion,
      APIVersion: dockerApiVersion,
      NodeVersion: process.versions.node,
      Os: process.platform,
      Arch: process.arch === 'x64' ? 'amd64' : process.arch,
    };
    let server: VersionResponse | undefined;
    let failure: unknown;
    if (!flags.bool('client')) {
      try {
        server = await client.json<VersionResponse>('GET', '/version');
      } catch (error) {
        failure = error;
      }
    }
    const format = flags.string('format');
    if (format !== '') {
      const { objectFormatter } = await import('../output/format-object.ts');
      await out.line(objectFormatter(format)({ Client: own, Server: server ?? null }));
    } else {
      await out.write(clientText(own));
      if (server !== undefined) await out.write(serverText(server));
    }
    if (failure !== undefined) throw new ExitError(1, describeError(failure));
    return 0;
  },
};

interface ClientVersion {
  readonly Version: string;
  readonly ApiVersion: string;
  readonly NodeVersion: string;
  readonly Os: string;
  readonly Arch: string;
}

function clientText({ Version, ApiVersion, NodeVersion, Os, Arch }: ClientVersion): string {
  return `Client:
 Version:           ${Version}
 API version:       ${ApiVersion}
 Node version:      ${NodeVersion}
 OS/Arch:           ${Os}/${Arch}
`;
}

function serverText(server: VersionResponse): string {
  const name = server.Platform.Name === '' ? '' : ` ${server.Platform.Name}`;
  const components = server.Components.map(({ Name, Version, Details = {} }) => {
    const rows = Object.entries({ Version, ...Details }).map(
      ([key, value]) => `  ${`${key}:`.padEnd(17)} ${value}\n`,
    );
    return ` ${Name}:\n${rows.join('')}`;
  });
  return `\nServer:${name}\n${components.join('')}`;
}
