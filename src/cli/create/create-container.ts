/** POST /containers/create, with the pull before or after it that `--pull` asks for. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { ApiError } from '../../client/api-error.ts';
import type { ContainerCreateRequest, ContainerCreateResponse } from '../../client/api-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { CommandContext } from '../arguments/command.ts';

/** The new container's ID. Warnings and the pull's progress go to stderr. */
export async function createContainer(
  context: CommandContext,
  request: ContainerCreateRequest,
): Promise<string> {
  const cidfile = context.flags.string('cidfile');
  if (cidfile === '') return await createWithPull(context, request);
  reserveFile(cidfile);
  try {
    const id = await createWithPull(context, request);
    writeFileSync(cidfile, id);
    return id;
  } catch (error) {
    unlinkSync(cidfile);
    throw error;
  }
}

/** Throws for a `--pull` that is none. */
export function checkPullPolicy(policy: string): void {
  if (['', 'always', 'missing', 'never'].includes(policy)) return;
  throw new EngineError(
    'invalid_argument',
    `invalid pull option: '${policy}': must be one of "always", "missing" or "never"`,
  );
}

async function createWithPull(context: CommandContext, request: ContainerCreateRequest): Promise<string> {
  const { flags, client, err } = context;
  const policy = flags.string('pull') || 'missing';
  const query = { name: flags.string('name') || undefined, platform: flags.string('platform') || undefined };
  const create = () =>
    client.json<ContainerCreateResponse>('POST', '/containers/create', { query, json: request });
  const image = request.Image ?? '';
  let created: ContainerCreateResponse;
  if (policy === 'always') await pull(context, image);
  try {
    created = await create();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404 || policy !== 'missing') throw error;
    if (!flags.bool('quiet')) await err.line(`Unable to find image '${await fullName(image)}' locally`);
    await pull(context, image);
    created = await create();
  }
  for (const warning of created.Warnings) await err.line(`WARNING: ${warning}`);
  return created.Id;
}

/** Most runs pull nothing: what a pull needs is loaded when one happens. */
async function pull({ client, flags, err, env }: CommandContext, image: string): Promise<void> {
  const { pullImage } = await import('../registry/pull-image.ts');
  const { showProgress, discardProgress } = await import('../output/progress.ts');
  const messages = pullImage(client, image, { platform: flags.string('platform'), allTags: false, env });
  await (flags.bool('quiet') ? discardProgress(messages) : showProgress(messages, err));
}

async function fullName(image: string): Promise<string> {
  const { familiarString, parseReference, withDefaultTag } = await import('../../oci/reference.ts');
  return familiarString(withDefaultTag(parseReference(image)));
}

function reserveFile(path: string): void {
  try {
    writeFileSync(path, '', { flag: 'wx' });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const why =
      code === 'EEXIST'
        ? `container ID file found, make sure the other container isn't running or delete ${path}`
        : `failed to create the container ID file ${path}: ${String(cause)}`;
    throw new EngineError('already_exists', why, { cause });
  }
}
