/** POST /images/create: the daemon pulls, with the credentials that this user has for the registry. */
import type { ProgressMessage } from '../../client/api-types.ts';
import type { DaemonClient } from '../../client/daemon-client.ts';
import { parseReference } from '../../oci/reference.ts';
import { credentialsFor } from './credentials.ts';
import { repositoryName } from './repository-name.ts';

export interface PullOptions {
  /** os[/arch[/variant]]; '' is the daemon's own. */
  readonly platform: string;
  readonly allTags: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** `image` as the user wrote it. Throws `invalid_argument` for what is no reference. */
export async function* pullImage(
  client: DaemonClient,
  image: string,
  { platform, allTags, env }: PullOptions,
): AsyncGenerator<ProgressMessage, void> {
  const reference = parseReference(image);
  const tag = reference.digest ?? reference.tag ?? (allTags ? undefined : 'latest');
  const query = { fromImage: repositoryName(reference), tag, platform: platform || undefined };
  const credentials = await credentialsFor(reference.domain, env);
  const headers =
    credentials === undefined
      ? {}
      : { 'X-Registry-Auth': Buffer.from(JSON.stringify(credentials)).toString('base64url') };
  yield* client.jsonLines<ProgressMessage>('POST', '/images/create', { query, headers });
}
