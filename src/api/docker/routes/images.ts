/** Images: list, look at, tag, remove. Names hold slashes, so the verb is the last part of the path. */
import * as z from 'zod';
import { EngineError } from '../../../errors/engine-error.ts';
import type { Engine } from '../../../engine/service.ts';
import type { Image, ImageFilter, ImageStore } from '../../../engine/ports/images.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { toImageHistory, toImageInspect, toImageSummary } from '../image-view.ts';
import { booleanFilter, filters, flag, text } from '../query.ts';
import type { Filters } from '../query.ts';
import type { ImageDeleteItem, ImagesPruneResponse, ImageSummary } from '../types.ts';

export interface ImagesBackend {
  readonly images: Pick<ImageStore, 'get' | 'list' | 'tag' | 'remove' | 'prune'>;
  readonly engine: Pick<Engine, 'imageUser' | 'list' | 'recordImageEvent'>;
}

const nameParams = z.object({ '*': z.string().min(1) });

const listQuery = z.object({
  all: flag,
  digests: flag,
  'shared-size': flag,
  manifests: flag,
  /** Before 1.25 a filter of its own. */
  filter: text,
  filters: filters(['before', 'dangling', 'label', 'reference', 'since', 'until']),
});

export function imageRoutes(app: ZodFastify, { images, engine }: ImagesBackend): void {
  app.get('/images/json', { schema: { querystring: listQuery } }, (request) => {
    const { filters: asked, filter, 'shared-size': sharedSize } = request.query;
    const reference = filter === undefined ? asked['reference'] : [...(asked['reference'] ?? []), filter];
    const found = images.list(toImageFilter({ ...asked, ...(reference !== undefined && { reference }) }));
    return found.map((image) => summaryOf(image, { images, engine }, sharedSize, request.apiMinor));
  });

  app.get(
    '/images/*',
    { schema: { params: nameParams, querystring: z.object({ manifests: flag, platform: text }) } },
    (request) => {
      const { name, verb } = splitVerb(request.params['*']);
      if (request.query.manifests || request.query.platform !== undefined)
        throw new EngineError(
          'unimplemented',
          'manifests and platform are not supported yet when looking at an image',
        );
      const image = () => images.get(name);
      if (verb === 'json') return toImageInspect(image(), request.apiMinor);
      if (verb === 'history') return toImageHistory(image());
      if (verb === 'get')
        throw new EngineError('unimplemented', 'saving images is not supported yet (GET /images/{name}/get)');
      throw new EngineError('not_found', 'page not found');
    },
  );

  app.post(
    '/images/*',
    { schema: { params: nameParams, querystring: z.looseObject({ repo: text, tag: text }) } },
    async (request, reply) => {
      const { name, verb } = splitVerb(request.params['*']);
      if (verb === 'push')
        throw new EngineError(
          'unimplemented',
          'pushing images is not supported yet (POST /images/{name}/push)',
        );
      if (verb !== 'tag') throw new EngineError('not_found', 'page not found');
      const { repo, tag } = request.query;
      if (repo === undefined) throw new EngineError('invalid_argument', 'the new name is missing: give repo');
      const image = images.get(name);
      const target = tag === undefined ? repo : `${repo}:${tag}`;
      images.tag(name, target);
      engine.recordImageEvent('tag', image.id, { name: target });
      return await reply.code(201).send();
    },
  );

  app.delete(
    '/images/*',
    {
      schema: {
        params: nameParams,
        querystring: z.object({
          force: flag,
          noprune: flag,
          platforms: z.undefined('is not supported yet').optional(),
        }),
      },
    },
    async (request): Promise<readonly ImageDeleteItem[]> => {
      const removed = await images.remove(request.params['*'], {
        force: request.query.force,
        prune: !request.query.noprune,
        inUse: (id) => engine.imageUser(id),
      });
      for (const item of removed) recordRemoval(engine, item);
      return removed.map(toDeleteItem);
    },
  );

  app.post(
    '/images/prune',
    { schema: { querystring: z.object({ filters: filters(['dangling', 'label', 'label!', 'until']) }) } },
    async (request): Promise<ImagesPruneResponse> => {
      const { filters: asked } = request.query;
      if (asked['label!'] !== undefined)
        throw new EngineError('unimplemented', 'the filter label! is not supported yet when pruning images');
      // Without the filter, and with dangling=true, only images without a name go.
      const onlyDangling = booleanFilter(asked['dangling'], 'dangling') ?? true;
      const { dangling, ...filter } = toImageFilter({ ...asked, dangling: [String(onlyDangling)] });
      const { removed, reclaimedBytes } = await images.prune(
        dangling === true ? { ...filter, dangling } : filter,
        (id) => engine.imageUser(id),
      );
      for (const item of removed) recordRemoval(engine, item);
      return {
        ImagesDeleted: removed.length === 0 ? null : removed.map(toDeleteItem),
        SpaceReclaimed: reclaimedBytes,
      };
    },
  );
}

export function summaryOf(
  image: Image,
  { images, engine }: { readonly images: Pick<ImageStore, 'list'>; readonly engine: Pick<Engine, 'list'> },
  withSharedSize: boolean,
  minorVersion: number,
): ImageSummary {
  if (!withSharedSize) return toImageSummary(image, { containers: -1, sharedBytes: -1 }, minorVersion);
  const containers = engine
    .list({ all: true, filters: {} })
    .filter((c) => c.spec.imageId === image.id).length;
  return toImageSummary(
    image,
    { containers, sharedBytes: sharedBytes(image, images.list({})) },
    minorVersion,
  );
}

/** Bytes of the layers that other images have, too. */
function sharedBytes(image: Image, all: readonly Image[]): number {
  const others = new Set(all.filter((other) => other.id !== image.id).flatMap((other) => other.diffIds));
  const layers = image.history.filter((entry) => !entry.emptyLayer);
  return image.diffIds.reduce(
    (sum, diffId, i) => sum + (others.has(diffId) ? (layers[i]?.sizeBytes ?? 0) : 0),
    0,
  );
}

/** docker.io/library/busybox/json → its name and "json". */
function splitVerb(path: string): { readonly name: string; readonly verb: string } {
  const slash = path.lastIndexOf('/');
  return { name: path.slice(0, Math.max(slash, 0)), verb: path.slice(slash + 1) };
}

function toImageFilter(asked: Filters): ImageFilter {
  const dangling = booleanFilter(asked['dangling'], 'dangling');
  const only = (name: string) => {
    const values = asked[name] ?? [];
    if (values.length > 1) throw new EngineError('invalid_argument', `filter ${name} takes one value`);
    return values[0];
  };
  const before = only('before');
  const since = only('since');
  const until = only('until');
  return {
    ...(asked['reference'] !== undefined && { reference: asked['reference'] }),
    ...(dangling !== undefined && { dangling }),
    ...(asked['label'] !== undefined && { label: asked['label'] }),
    ...(before !== undefined && { before }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until: parseUntil(until) }),
  };
}

const unitsMs: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** A time, or how long ago: 2024-01-02T15:04:05Z, 1700000000, 24h, 1h30m. */
export function parseUntil(value: string): Date {
  if (/^\d+(\.\d+)?$/.test(value)) return new Date(Number(value) * 1000);
  if (/^(\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(value)) {
    const parts = value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
    const ago = [...parts].reduce(
      (sum, part) => sum + Number(part[1]) * (unitsMs.get(part[2] ?? '') ?? 0),
      0,
    );
    return new Date(Date.now() - ago);
  }
  const time = Date.parse(value);
  if (Number.isNaN(time))
    throw new EngineError('invalid_argument', `"${value}" is neither a time nor a duration such as 24h`);
  return new Date(time);
}

function toDeleteItem(item: { readonly untagged?: string; readonly deleted?: string }): ImageDeleteItem {
  return {
    ...(item.untagged !== undefined && { Untagged: item.untagged }),
    ...(item.deleted !== undefined && { Deleted: item.deleted }),
  };
}

function recordRemoval(
  engine: Pick<Engine, 'recordImageEvent'>,
  item: { readonly untagged?: string; readonly deleted?: string },
): void {
  if (item.untagged !== undefined) engine.recordImageEvent('untag', item.untagged, { name: item.untagged });
  if (item.deleted !== undefined) engine.recordImageEvent('delete', item.deleted, { name: item.deleted });
}
