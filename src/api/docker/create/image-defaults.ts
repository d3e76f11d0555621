/** What the image says where the user says nothing. */
import type { ImageRunConfig } from '../../../engine/ports/images.ts';
import type { CreateBody } from './create-schema.ts';

/**
 * Entrypoint and command: a given entrypoint drops the image's command; `--entrypoint ""` arrives as [""] and means
 * none at all.
 */
export function commandOf(
  body: Pick<CreateBody, 'Entrypoint' | 'Cmd'>,
  image: ImageRunConfig,
): { readonly entrypoint: readonly string[]; readonly cmd: readonly string[] } {
  const cmd = body.Cmd ?? [];
  if (body.Entrypoint !== undefined && body.Entrypoint.length > 0)
    return {
      entrypoint: body.Entrypoint.length === 1 && body.Entrypoint[0] === '' ? [] : body.Entrypoint,
      cmd,
    };
  return {
    entrypoint: body.Entrypoint === undefined ? image.entrypoint : [],
    cmd: cmd.length === 0 ? image.cmd : cmd,
  };
}

/** The image's environment with the user's over it; a user's `KEY` without `=` takes the image's away. */
export function environmentOf(image: readonly string[], given: readonly string[]): readonly string[] {
  const merged = new Map<string, string>();
  for (const entry of [...image, ...given]) {
    const key = nameOf(entry);
    if (entry.includes('=')) merged.set(key, entry);
    else merged.delete(key);
  }
  return [...merged.values()];
}

function nameOf(entry: string): string {
  const equals = entry.indexOf('=');
  return equals < 0 ? entry : entry.slice(0, equals);
}
