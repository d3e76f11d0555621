/** X-Registry-Auth: base64url of JSON (some clients use the other base64), empty or {} for none. */
import * as z from 'zod';
import { EngineError } from '../../errors/engine-error.ts';
import type { RegistryCredentials } from '../../engine/ports/images.ts';
import { parseJson } from './query.ts';

const authSchema = z.object({
  username: z.string().optional(),
  password: z.string().optional(),
  auth: z.string().optional(),
  serveraddress: z.string().optional(),
  identitytoken: z.string().optional(),
  registrytoken: z.string().optional(),
});

export function parseRegistryAuth(
  header: string | readonly string[] | undefined,
): RegistryCredentials | undefined {
  if (header === undefined || header === '') return undefined;
  const parsed = typeof header === 'string' ? authSchema.safeParse(parseJson(decode(header))) : undefined;
  if (parsed?.success !== true)
    throw new EngineError(
      'invalid_argument',
      'X-Registry-Auth is not base64 of a JSON object with credentials',
    );
  const { username, password, auth, serveraddress, identitytoken, registrytoken } = parsed.data;
  const [user, secret] = isGiven(username) ? [username, password] : splitPair(auth);
  const credentials: RegistryCredentials = {
    ...(isGiven(user) && { username: user }),
    ...(isGiven(secret) && { password: secret }),
    ...(isGiven(identitytoken) && { identityToken: identitytoken }),
    ...(isGiven(registrytoken) && { registryToken: registrytoken }),
  };
  if (Object.keys(credentials).length === 0) return undefined;
  return { ...credentials, ...(isGiven(serveraddress) && { serverAddress: serveraddress }) };
}

/** "auth" is base64 of user:password. */
function splitPair(auth: string | undefined): readonly [string?, string?] {
  if (!isGiven(auth)) return [];
  const pair = decode(auth);
  const colon = pair.indexOf(':');
  return colon < 0 ? [] : [pair.slice(0, colon), pair.slice(colon + 1)];
}

/** Node reads both alphabets as 'base64'. */
function decode(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
