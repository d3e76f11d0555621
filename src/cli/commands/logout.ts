/** dvm logout */
import type { Command } from '../arguments/command.ts';
import { eraseFromHelper, HelperKnowsNothing } from '../registry/credential-helper.ts';
import { dockerHubKey, helperFor } from '../registry/credentials.ts';
import { readDockerConfig } from '../registry/docker-config.ts';
import { writeDockerConfig } from '../registry/write-docker-config.ts';
import { serverOf } from './login.ts';

export const command: Command = {
  usage: '[SERVER]',
  flags: [],
  args: { min: 0, max: 1 },
  completeArgs: 'none',
  run: async ({ args, out, env }) => {
    const server = serverOf(args[0]);
    const config = readDockerConfig(env);
    const auths = { ...config.auths };
    const helper = helperFor(config, server);
    if (helper === undefined && auths[server] === undefined) {
      await out.line(`Not logged in to ${server}`);
      return 0;
    }
    await out.line(
      server === dockerHubKey
        ? 'Removing login credentials for https://index.docker.io/v1/'
        : `Removing login credentials for ${server}`,
    );
    if (helper !== undefined) {
      await eraseFromHelper(helper, server, env).catch((error: unknown) => {
        if (!(error instanceof HelperKnowsNothing)) throw error;
      });
    }
    const left = Object.fromEntries(Object.entries(auths).filter(([key]) => key !== server));
    writeDockerConfig({ ...config, auths: left }, env);
    return 0;
  },
};
