/** Who this user is to a registry: from docker's configuration file or the credential helper that it names. */
import type { AuthConfig } from '../../client/api-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { askHelper, HelperKnowsNothing } from './credential-helper.ts';
import { readDockerConfig } from './docker-config.ts';
import type { DockerConfig, StoredAuth } from './docker-config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What Docker Hub is called in the file and to helpers. */
export const dockerHubKey = 'https://index.docker.io/v1/';

/** The key under which the registry of a reference's domain is stored. */
export function serverKey(domain: string): string {
  return domain === 'docker.io' || domain === 'index.docker.io' ? dockerHubKey : domain;
}

/** The helper that keeps a server's credentials; undefined: the file does. */
export function helperFor(config: DockerConfig, server: string): string | undefined {
  return config.credHelpers?.[server] ?? (config.credsStore || undefined);
}

/** Undefined: nobody in particular. Throws `unauthenticated` when a helper fails. */
export async function credentialsFor(domain: string, env: Environment): Promise<AuthConfig | undefined> {
  const config = readDockerConfig(env);
  const server = serverKey(domain);
  const helper = helperFor(config, server);
  if (helper !== undefined) return await fromHelper(helper, server, env);
  const stored = config.auths?.[server] ?? matchingUrl(config, server);
  return stored === undefined ? undefined : fromFile(stored, server);
}

async function fromHelper(helper: string, server: string, env: Environment): Promise<AuthConfig | undefined> {
  try {
    const { Username, Secret } = await askHelper(helper, server, env);
    if (Username === '<token>') return { serveraddress: server, identitytoken: Secret };
    return { username: Username, password: Secret, serveraddress: server };
  } catch (error) {
    if (error instanceof HelperKnowsNothing) return undefined;
    throw error;
  }
}

/** Older files have URLs where newer ones have host names. */
function matchingUrl(config: DockerConfig, server: string): StoredAuth | undefined {
  const host = (key: string) => key.replace(/^https?:\/\//, '').split('/', 1)[0];
  return Object.entries(config.auths ?? {}).find(([key]) => host(key) === host(server))?.[1];
}

function fromFile(stored: StoredAuth, server: string): AuthConfig | undefined {
  const { identitytoken, registrytoken } = stored;
  const tokens = {
    ...(identitytoken !== undefined && identitytoken !== '' && { identitytoken }),
    ...(registrytoken !== undefined && registrytoken !== '' && { registrytoken }),
  };
  if (stored.auth === undefined || stored.auth === '') {
    const { username, password } = stored;
    if (username !== undefined && password !== undefined)
      return { username, password, serveraddress: server, ...tokens };
    return Object.keys(tokens).length > 0 ? { serveraddress: server, ...tokens } : undefined;
  }
  const decoded = Buffer.from(stored.auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  if (colon < 0) {
    throw new EngineError(
      'unauthenticated',
      `the credentials stored for ${server} cannot be read: dvm login ${server}`,
    );
  }
  const password = decoded.slice(colon + 1).replace(/\0+$/, '');
  return { username: decoded.slice(0, colon), password, serveraddress: server, ...tokens };
}
