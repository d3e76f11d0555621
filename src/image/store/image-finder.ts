/** Finds the image that a user means: by name, digest, ID, or the beginning of an ID. */
import { EngineError } from '../../errors/engine-error.ts';
import {
  familiarString,
  isTagged,
  parseReference,
  withDefaultTag,
  type Reference,
} from '../../oci/reference.ts';
import type { ImageRecords, RepositoryDigest, RepositoryTag } from './image-records.ts';
import { repositoryOf } from './repository.ts';

export type FoundImage =
  | { readonly by: 'id'; readonly id: string }
  | { readonly by: 'tag'; readonly id: string; readonly tag: RepositoryTag }
  | { readonly by: 'digest'; readonly id: string; readonly digest: RepositoryDigest };

export class ImageFinder {
  readonly #records: ImageRecords;

  constructor(records: ImageRecords) {
    this.#records = records;
  }

  /** Throws `not_found`, or `invalid_argument` for an ambiguous ID or a name that cannot be one. */
  find(nameOrId: string): FoundImage {
    const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(nameOrId)?.[1];
    const isFullId = hex?.length === 64 || nameOrId.startsWith('sha256:');
    const found = hex !== undefined && isFullId ? undefined : this.#byName(nameOrId);
    if (found !== undefined) return found;
    if (hex !== undefined) {
      const [id, second] = this.#records.byIdPrefix(hex);
      if (second !== undefined)
        throw new EngineError('invalid_argument', `image ID "${nameOrId}" is ambiguous: give more of it`);
      if (id !== undefined) return { by: 'id', id };
    }
    throw new EngineError(
      'not_found',
      `No such image: ${isFullId ? nameOrId : familiarString(withDefaultTag(parseReference(nameOrId)))}`,
    );
  }

  #byName(name: string): FoundImage | undefined {
    const reference = withDefaultTag(parseReference(name));
    return reference.digest === undefined ? this.#byTag(reference) : this.#byDigest(reference);
  }

  #byTag(reference: Reference): FoundImage | undefined {
    if (!isTagged(reference)) return undefined;
    const tag = { repository: repositoryOf(reference), tag: reference.tag };
    const id = this.#records.byTag(tag);
    return id === undefined ? undefined : { by: 'tag', id, tag };
  }

  #byDigest(reference: Reference): FoundImage | undefined {
    if (reference.digest === undefined) return undefined;
    const digest = { repository: repositoryOf(reference), digest: reference.digest };
    const id = this.#records.byDigest(digest);
    if (id !== undefined) return { by: 'digest', id, digest };
    // Docker also takes <name>@<image ID>.
    return this.#records.has(reference.digest) ? { by: 'id', id: reference.digest } : undefined;
  }
}
