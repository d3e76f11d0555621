/** dvm login: checks credentials with the daemon and keeps them where docker does. */
import type { AuthConfig } from '../../client/api-types.ts';
import type { Command, CommandContext } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';
import { storeInHelper } from '../registry/credential-helper.ts';
import { dockerHubKey, helperFor, serverKey } from '../registry/credentials.ts';
import { dockerConfigPath, readDockerConfig } from '../registry/docker-config.ts';
import { writeDockerConfig } from '../registry/write-docker-config.ts';
import { readSecret, readText } from '../terminal/prompt.ts';

interface LoginAnswer {
  readonly Status: string;
  readonly IdentityToken?: string;
}

export const command: Command = {
  usage: '[OPTIONS] [SERVER]',
  flags: [
    { name: 'password', short: 'p', kind: 'string', help: 'Password or Personal Access Token (PAT)' },
    {
      name: 'password-stdin',
      kind: 'bool',
      help: 'Take the Password or Personal Access Token (PAT) from stdin',
    },
    { name: 'username', short: 'u', kind: 'string', help: 'Username' },
  ],
  args: { min: 0, max: 1 },
  completeArgs: 'none',
  run: async (context) => {
    const { client, out, err, env } = context;
    const server = serverOf(context.args[0]);
    const { username, password } = await credentialsOf(context, server);
    const request: AuthConfig = { username, password, serveraddress: server };
    const answer = await client.json<LoginAnswer>('POST', '/auth', { json: request });
    const token = answer.IdentityToken ?? '';
    const config = readDockerConfig(env);
    const helper = helperFor(config, server);
    if (helper !== undefined) {
      const secret =
        token === '' ? { Username: username, Secret: password } : { Username: '<token>', Secret: token };
      await storeInHelper(helper, { ServerURL: server, ...secret }, env);
      writeDockerConfig({ ...config, auths: { ...config.auths, [server]: {} } }, env);
    } else {
      const auth = Buffer.from(`${username}:${token === '' ? password : ''}`).toString('base64');
      const stored = token === '' ? { auth } : { auth, identitytoken: token };
      writeDockerConfig({ ...config, auths: { ...config.auths, [server]: stored } }, env);
      await err.line(
        `WARNING! Your credentials are stored unencrypted in '${dockerConfigPath(env)}'. A credential helper would keep them safer.`,
      );
    }
    await out.line(answer.Status);
    return 0;
  },
};

export function serverOf(given: string | undefined): string {
  if (given === undefined || given === '') return dockerHubKey;
  return serverKey(given.replace(/^https?:\/\//, '').replace(/\/+$/, ''));
}

async function credentialsOf(
  { flags, err }: CommandContext,
  server: string,
): Promise<{ username: string; password: string }> {
  if (flags.isSet('password') && flags.bool('password-stdin')) {
    throw new ExitError(1, 'conflicting options: cannot specify both --password and --password-stdin');
  }
  if (flags.bool('password-stdin')) {
    if (flags.string('username') === '')
      throw new ExitError(1, 'the --password-stdin option requires --username to be set');
    return { username: flags.string('username'), password: await readText() };
  }
  if (flags.isSet('password'))
    await err.line('WARNING! Using --password via the CLI is insecure. Use --password-stdin.');
  const username = flags.string('username') || (await readSecret(err, `Username (${server}): `, true));
  if (username === '') throw new ExitError(1, 'username is required');
  const password = flags.string('password') || (await readSecret(err, 'Password: ', false));
  if (password === '') throw new ExitError(1, 'password is required');
  return { username, password };
}
