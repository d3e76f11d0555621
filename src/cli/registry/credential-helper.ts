/** docker-credential-NAME, a program that keeps secrets elsewhere: `get`, `store` and `erase`, JSON or a server's name on stdin. */
import { spawn } from 'node:child_process';
import { EngineError } from '../../errors/engine-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface HelperCredentials {
  readonly ServerURL: string;
  readonly Username: string;
  readonly Secret: string;
}

/** The helper works and has nothing for this server. */
export class HelperKnowsNothing extends Error {}

const maxOutputBytes = 1 << 20;
const timeoutMs = 60_000;

export async function askHelper(
  helper: string,
  server: string,
  env: Environment,
): Promise<HelperCredentials> {
  const output = await runHelper(helper, 'get', server, env);
  let parsed: unknown;
  try {
    parsed = JSON.parse(output);
  } catch (cause) {
    throw new EngineError(
      'unauthenticated',
      `docker-credential-${helper} did not answer with JSON for ${server}`,
      { cause },
    );
  }
  const { Username, Secret } = parsed as Partial<HelperCredentials>;
  if (typeof Username !== 'string' || typeof Secret !== 'string' || Username === '')
    throw new HelperKnowsNothing();
  return { ServerURL: server, Username, Secret };
}

export async function storeInHelper(
  helper: string,
  credentials: HelperCredentials,
  env: Environment,
): Promise<void> {
  await runHelper(helper, 'store', JSON.stringify(credentials), env);
}

export async function eraseFromHelper(helper: string, server: string, env: Environment): Promise<void> {
  await runHelper(helper, 'erase', server, env);
}

async function runHelper(
  helper: string,
  verb: 'get' | 'store' | 'erase',
  input: string,
  env: Environment,
): Promise<string> {
  const program = `docker-credential-${helper}`;
  if (!/^[\w.-]+$/.test(helper)) {
    throw new EngineError(
      'invalid_argument',
      `"${helper}" in docker's configuration is no name of a credential helper`,
    );
  }
  const child = spawn(program, [verb], {
    env: { ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: timeoutMs,
  });
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  child.stdin.once('error', () => undefined); // it exited without reading: its code says why
  child.stdin.end(input);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (output.length < maxOutputBytes) output += chunk.toString();
  });
  let code: number;
  try {
    code = await exited;
  } catch (cause) {
    throw new EngineError(
      'unauthenticated',
      `cannot run the credential helper ${program} that docker's configuration names: install it or remove it from the file`,
      { cause },
    );
  }
  if (code === 0) return output;
  const message = output.trim();
  if (/credentials not found|no credentials (server URL|username)/i.test(message))
    throw new HelperKnowsNothing(message);
  throw new EngineError(
    'unauthenticated',
    `the credential helper ${program} failed: ${message || `exit code ${code}`}`,
  );
}
