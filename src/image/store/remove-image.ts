/** `rmi` and `prune` by Docker's rules: names go first, and the image with its last name. */
import type { ImageFilter, RemovedImage } from '../../engine/ports/images.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { shortDigest, type Digest } from '../../oci/digest.ts';
import { chainIds } from '../../oci/chain-id.ts';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from './database.ts';
import { filterImages } from './image-filter.ts';
import type { FoundImage, ImageFinder } from './image-finder.ts';
import type { ImageRecords, RepositoryDigest, RepositoryTag } from './image-records.ts';
import type { LayerStore } from './layer-store.ts';
import { shortRepository } from './repository.ts';

export interface RemoveOptions {
  readonly force: boolean;
  readonly prune: boolean;
  readonly inUse: (imageId: string) => string | undefined;
}

export class ImageRemover {
  readonly #database: DatabaseSync;
  readonly #records: ImageRecords;
  readonly #finder: ImageFinder;
  readonly #layers: LayerStore;

  constructor(database: DatabaseSync, records: ImageRecords, finder: ImageFinder, layers: LayerStore) {
    this.#database = database;
    this.#records = records;
    this.#finder = finder;
    this.#layers = layers;
  }

  async remove(nameOrId: string, options: RemoveOptions): Promise<readonly RemovedImage[]> {
    const found = this.#finder.find(nameOrId);
    const diffIds = this.#records.config(found.id).config.rootfs.diff_ids;
    const removed = inTransaction(this.#database, () => this.#removeNames(found, nameOrId, options));
    if (this.#records.has(found.id)) return removed;
    const swept = await this.#layers.sweep(new Set(diffIds));
    return [...removed, ...layersRemoved(diffIds, new Set(swept.diffIds))];
  }

  /** With `dangling` false every image that no container uses, otherwise those without a tag. */
  async prune(
    filter: ImageFilter,
    inUse: (imageId: string) => string | undefined,
  ): Promise<{ removed: readonly RemovedImage[]; reclaimedBytes: number }> {
    const { dangling, ...rest } = filter;
    const wanted = { ...rest, ...(dangling !== false && { dangling: true }) };
    const images = this.#records.ids().map((id) => this.#records.get(id));
    const removed: RemovedImage[] = [];
    const diffIds: Digest[][] = [];
    for (const image of filterImages(images, wanted, (name) =>
      this.#records.get(this.#finder.find(name).id),
    )) {
      if (inUse(image.id) !== undefined) continue;
      diffIds.push([...this.#records.config(image.id).config.rootfs.diff_ids]);
      removed.push(...inTransaction(this.#database, () => this.#removeWhole(image.id)));
    }
    const swept = await this.#layers.sweep();
    const left = new Set(swept.diffIds);
    for (const ids of diffIds) removed.push(...layersRemoved(ids, left));
    return { removed, reclaimedBytes: swept.bytes };
  }

  #removeNames(found: FoundImage, nameOrId: string, options: RemoveOptions): readonly RemovedImage[] {
    const { id } = found;
    const tags = this.#records.tagsOf(id);
    const digests = this.#records.digestsOf(id);
    const user = options.inUse(id);
    if (found.by === 'id') return this.#removeById(id, tags, digests, user, options.force);

    const others = found.by === 'tag' ? tags.length - 1 : tags.length + digests.length - 1;
    if (!options.force && user !== undefined && others === 0) {
      throw new EngineError(
        'failed_precondition',
        `conflict: unable to remove repository reference "${nameOrId}" (must force) - container ${user} is using its referenced image ${shortDigest(id)}`,
      );
    }
    const removed = found.by === 'tag' ? this.#untag(found.tag) : this.#undigest(found.digest);
    // A repository's digests stay only as long as a tag of it does.
    const { repository } = found.by === 'tag' ? found.tag : found.digest;
    const sameRepository = this.#records.tagsOf(id).filter((tag) => tag.repository === repository);
    const orphans =
      sameRepository.length > 0
        ? []
        : this.#records.digestsOf(id).filter((digest) => digest.repository === repository);
    const untagged = [removed, ...orphans.map((digest) => this.#undigest(digest))];
    if (this.#records.tagsOf(id).length > 0 || this.#records.digestsOf(id).length > 0) return untagged;
    return [...untagged, ...this.#removeWhole(id)];
  }

  #removeById(
    id: string,
    tags: readonly RepositoryTag[],
    digests: readonly RepositoryDigest[],
    user: string | undefined,
    force: boolean,
  ): readonly RemovedImage[] {
    const repositories = new Set([...tags, ...digests].map(({ repository }) => repository));
    if (!force && (tags.length > 1 || repositories.size > 1)) {
      throw conflict(id, 'must be forced', 'image is referenced in multiple repositories');
    }
    if (!force && user !== undefined)
      throw conflict(id, 'must be forced', `image is being used by container ${user}`);
    return this.#removeWhole(id);
  }

  #removeWhole(id: string): readonly RemovedImage[] {
    const untagged = [
      ...this.#records.tagsOf(id).map((tag) => this.#untag(tag)),
      ...this.#records.digestsOf(id).map((digest) => this.#undigest(digest)),
    ];
    this.#records.remove(id);
    return [...untagged, { deleted: id }];
  }

  #untag(tag: RepositoryTag): RemovedImage {
    this.#records.removeTag(tag);
    return { untagged: `${shortRepository(tag.repository)}:${tag.tag}` };
  }

  #undigest(digest: RepositoryDigest): RemovedImage {
    this.#records.removeDigest(digest);
    return { untagged: `${shortRepository(digest.repository)}@${digest.digest}` };
  }
}

function conflict(id: string, how: string, why: string): EngineError {
  return new EngineError(
    'failed_precondition',
    `conflict: unable to delete ${shortDigest(id)} (${how}) - ${why}`,
  );
}

/** Docker names removed layers by their chain IDs, top first. Each layer is named once. */
function layersRemoved(diffIds: readonly Digest[], swept: Set<Digest>): readonly RemovedImage[] {
  const chain = chainIds(diffIds);
  const removed: RemovedImage[] = [];
  for (let i = diffIds.length - 1; i >= 0; i--) {
    const diffId = diffIds[i];
    const chainId = chain[i];
    if (diffId !== undefined && chainId !== undefined && swept.delete(diffId))
      removed.push({ deleted: chainId });
  }
  return removed;
}
