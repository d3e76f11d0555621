/**
 * The file that docker's own client keeps, `~/.docker/config.json` (or in $DOCKER_CONFIG): credentials, helpers, detach keys.
 * It is read when something needs it and every field that we do not know stays as it is.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../../errors/engine-error.ts';
import { defaultDetachKeys } from '../terminal/detach-keys.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface StoredAuth {
  /** base64 of user:password */
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly email?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

export interface DockerConfig {
  readonly auths?: Readonly<Record<string, StoredAuth>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly detachKeys?: string;
  readonly psFormat?: string;
  readonly imagesFormat?: string;
  readonly statsFormat?: string;
  readonly [other: string]: unknown;
}

export function dockerConfigPath(env: Environment): string {
  return join(env['DOCKER_CONFIG'] || join(env['HOME'] || homedir(), '.docker'), 'config.json');
}

/** Empty when there is no file, or none for this user. Throws `invalid_argument` for one that is not JSON. */
export function readDockerConfig(env: Environment): DockerConfig {
  const path = dockerConfigPath(env);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // Another user's file (sudo keeps HOME) says nothing about this one.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return {};
    throw new EngineError('permission_denied', `cannot read ${path}: ${String(error)}`, { cause: error });
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as DockerConfig;
  } catch (cause) {
    throw new EngineError('invalid_argument', `${path} is not JSON: correct or remove it`, { cause });
  }
  throw new EngineError('invalid_argument', `${path} is not a JSON object: correct or remove it`);
}

/** The flag's keys, else the file's, else ctrl-p,ctrl-q. */
export function detachKeysFor(flag: string, env: Environment): string {
  if (flag !== '') return flag;
  const configured = readDockerConfig(env).detachKeys;
  return configured === undefined || configured === '' ? defaultDetachKeys : configured;
}
