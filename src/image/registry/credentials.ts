/** Credentials out of `~/.docker/config.json`: stored in it, or asked of a credential helper. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { RegistryCredentials } from '../../engine/ports/images.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { checkShape, parseJson } from '../../oci/manifest.ts';
import { isErrno } from '../../system/errno.ts';
import { runCommand } from '../../system/run-command.ts';

const configMaxBytes = 4 * 1024 * 1024;
const helperTimeoutMs = 30_000;

const authSchema = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
  registrytoken: z.string().optional(),
});
const configSchema = z.object({
  auths: z.record(z.string(), authSchema).nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: z.string().nullish(),
});
const helperAnswerSchema = z.object({ Username: z.string().default(''), Secret: z.string() });

/** Docker keeps Docker Hub's credentials under this address. */
const hubKey = 'https://index.docker.io/v1/';

export class CredentialFile {
  readonly #path: string;
  readonly #environment: NodeJS.ProcessEnv;

  /** `environment` is handed to helpers: they find their key ring by HOME and the session bus. */
  constructor(path: string, environment: NodeJS.ProcessEnv) {
    this.#path = path;
    this.#environment = environment;
  }

  /** Undefined when there are none for this registry; throws when the file or a helper is broken. */
  async find(domain: string, signal: AbortSignal): Promise<RegistryCredentials | undefined> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path, { signal });
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
    const config = checkShape(configSchema, parseJson(bytes, configMaxBytes, this.#path), this.#path);
    const keys =
      domain === 'docker.io'
        ? [hubKey, 'index.docker.io', 'docker.io']
        : [
            domain,
            `https://${domain}`,
            `https://${domain}/`,
            `https://${domain}/v1/`,
            `https://${domain}/v2/`,
            `http://${domain}`,
          ];
    for (const key of keys) {
      const helper = config.credHelpers?.[key];
      if (helper !== undefined) return await this.#ask(helper, key, signal);
    }
    if (config.credsStore !== null && config.credsStore !== undefined && config.credsStore !== '') {
      const found = await this.#ask(config.credsStore, keys[0] ?? domain, signal);
      if (found !== undefined) return found;
    }
    for (const key of keys) {
      const auth = config.auths?.[key];
      const credentials = auth === undefined ? undefined : decodeAuth(auth, this.#path, domain);
      if (credentials !== undefined) return credentials;
    }
    return undefined;
  }

  async #ask(helper: string, server: string, signal: AbortSignal): Promise<RegistryCredentials | undefined> {
    if (!/^[A-Za-z0-9._-]{1,100}$/.test(helper))
      throw new EngineError(
        'invalid_argument',
        `${this.#path} names a credential helper "${helper}", which is not a program's name`,
      );
    const program = `docker-credential-${helper}`;
    const env = Object.fromEntries(
      Object.entries(this.#environment).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const answer = await runCommand(program, ['get'], {
      input: server,
      timeoutMs: helperTimeoutMs,
      signal,
      env,
      acceptedExitCodes: [0, 1],
    });
    if (answer.exitCode === 1) {
      const said = (answer.stdout.toString('utf8') + answer.stderr).trim();
      if (/credentials not found/i.test(said)) return undefined;
      throw new EngineError(
        'unauthenticated',
        `${program} has no credentials for ${server}: ${said.slice(0, 300)}`,
      );
    }
    const { Username, Secret } = checkShape(
      helperAnswerSchema,
      parseJson(answer.stdout, configMaxBytes, `answer of ${program}`),
      `answer of ${program}`,
    );
    return Username === '<token>' ? { identityToken: Secret } : { username: Username, password: Secret };
  }
}

function decodeAuth(
  auth: z.infer<typeof authSchema>,
  path: string,
  domain: string,
): RegistryCredentials | undefined {
  if (auth.registrytoken !== undefined && auth.registrytoken !== '')
    return { registryToken: auth.registrytoken };
  if (auth.identitytoken !== undefined && auth.identitytoken !== '')
    return { identityToken: auth.identitytoken };
  if (auth.auth !== undefined && auth.auth !== '') {
    const decoded = Buffer.from(auth.auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = decoded.indexOf(':');
    if (colon < 0)
      throw new EngineError(
        'invalid_argument',
        `${path}: "auth" of ${domain} is not base64 of user:password; log in again`,
      );
    return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  }
  if (auth.username !== undefined && auth.password !== undefined)
    return { username: auth.username, password: auth.password };
  return undefined;
}

/** What a client sent along, when there is anything in it. */
export function givenCredentials(
  credentials: RegistryCredentials | undefined,
): RegistryCredentials | undefined {
  if (credentials === undefined) return undefined;
  const { username, password, identityToken, registryToken } = credentials;
  return [username, password, identityToken, registryToken].some((part) => part !== undefined && part !== '')
    ? credentials
    : undefined;
}
