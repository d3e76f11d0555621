/** Containers: create, look at, start, stop, change, remove. */
import * as z from 'zod';
import { EngineError } from '../../../errors/engine-error.ts';
import type { Engine } from '../../../engine/service.ts';
import type { Image, ImageStore } from '../../../engine/ports/images.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { toContainerSpec } from '../create/container-spec.ts';
import { createSchema, resourcesShape, restartPolicySchema } from '../create/create-schema.ts';
import { toRestartPolicy } from '../create/host-options.ts';
import { refuseOtherFields } from '../create/refuse-fields.ts';
import { toContainerResources } from '../create/resources.ts';
import { toInspect, toSummary } from '../container-view.ts';
import { filters, flag, text, wholeNumber } from '../query.ts';
import type { ContainerCreateResponse, ContainersPruneResponse, ContainerUpdateResponse } from '../types.ts';
import { idParams } from './route-schemas.ts';

export interface ContainersBackend {
  readonly engine: Pick<
    Engine,
    | 'create'
    | 'start'
    | 'stop'
    | 'restart'
    | 'kill'
    | 'pause'
    | 'unpause'
    | 'rename'
    | 'update'
    | 'remove'
    | 'prune'
    | 'get'
    | 'list'
    | 'size'
    | 'resize'
  >;
  readonly images: Pick<ImageStore, 'get'>;
  /** Aborted when the daemon stops. A start goes on when the client that asked for it has gone, as in Docker. */
  readonly shutdown: AbortSignal;
}

const listFilters = [
  'ancestor',
  'before',
  'exited',
  'health',
  'id',
  'is-task',
  'label',
  'name',
  'network',
  'since',
  'status',
  'volume',
];

const listQuery = z.object({
  all: flag,
  limit: wholeNumber,
  size: flag,
  filters: filters(listFilters),
});
const stopQuery = z.object({ t: wholeNumber, signal: text });
const updateBody = z.looseObject({
  ...resourcesShape,
  RestartPolicy: restartPolicySchema.nullish().transform((value) => value ?? undefined),
});
const updateFields: ReadonlySet<string> = new Set([...Object.keys(resourcesShape), 'RestartPolicy']);

export function containerRoutes(app: ZodFastify, { engine, images, shutdown }: ContainersBackend): void {
  app.post(
    '/containers/create',
    { schema: { querystring: z.object({ name: text, platform: text }), body: createSchema } },
    async (request, reply): Promise<ContainerCreateResponse> => {
      const { name, platform } = request.query;
      const image = findImage(images, request.body.Image, platform);
      const view = await engine.create(toContainerSpec(name ?? '', request.body, image));
      const [rows, cols] = request.body.HostConfig.ConsoleSize ?? [0, 0];
      if (view.spec.tty && rows > 0 && cols > 0) await engine.resize(view.id, { rows, cols });
      void reply.code(201);
      return { Id: view.id, Warnings: warningsFor(image) };
    },
  );

  app.get('/containers/json', { schema: { querystring: listQuery } }, async (request) => {
    const { all, limit, size, filters: asked } = request.query;
    const views = engine.list({
      all,
      ...(limit !== undefined && limit > 0 && { limit }),
      filters: asked,
    });
    const now = new Date();
    return await Promise.all(
      views.map(async (view) =>
        toSummary(view, now, size ? await engine.size(view.id) : undefined, request.apiMinor),
      ),
    );
  });

  app.get(
    '/containers/:id/json',
    { schema: { params: idParams, querystring: z.object({ size: flag }) } },
    async (request) => {
      const view = engine.get(request.params.id);
      return toInspect(view, request.query.size ? await engine.size(view.id) : undefined);
    },
  );

  app.post(
    '/containers/:id/start',
    {
      schema: {
        params: idParams,
        querystring: z.object({ checkpoint: text, 'checkpoint-dir': text, detachKeys: text }),
      },
    },
    async (request, reply) => {
      if (request.query.checkpoint !== undefined || request.query['checkpoint-dir'] !== undefined)
        throw new EngineError('unimplemented', 'starting from a checkpoint is not supported yet');
      const started = await engine.start(request.params.id, shutdown);
      return await reply.code(started ? 204 : 304).send();
    },
  );

  app.post(
    '/containers/:id/stop',
    { schema: { params: idParams, querystring: stopQuery } },
    async (request, reply) => {
      const stopped = await engine.stop(request.params.id, toStopOptions(request.query));
      return await reply.code(stopped ? 204 : 304).send();
    },
  );

  app.post(
    '/containers/:id/restart',
    { schema: { params: idParams, querystring: stopQuery } },
    async (request, reply) => {
      await engine.restart(request.params.id, toStopOptions(request.query));
      return await reply.code(204).send();
    },
  );

  app.post(
    '/containers/:id/kill',
    { schema: { params: idParams, querystring: z.object({ signal: text }) } },
    async (request, reply) => {
      await engine.kill(request.params.id, request.query.signal ?? 'SIGKILL');
      return await reply.code(204).send();
    },
  );

  app.post('/containers/:id/pause', { schema: { params: idParams } }, async (request, reply) => {
    await engine.pause(request.params.id);
    return await reply.code(204).send();
  });

  app.post('/containers/:id/unpause', { schema: { params: idParams } }, async (request, reply) => {
    await engine.unpause(request.params.id);
    return await reply.code(204).send();
  });

  app.post(
    '/containers/:id/rename',
    { schema: { params: idParams, querystring: z.object({ name: text }) } },
    async (request, reply) => {
      const { name } = request.query;
      if (name === undefined)
        throw new EngineError('invalid_argument', 'a container cannot be renamed to nothing: give a name');
      engine.rename(request.params.id, name.replace(/^\//, ''));
      return await reply.code(204).send();
    },
  );

  app.post(
    '/containers/:id/update',
    { schema: { params: idParams, body: updateBody } },
    async (request): Promise<ContainerUpdateResponse> => {
      refuseOtherFields('', request.body, updateFields);
      const resources = toContainerResources(request.body);
      const policy = request.body.RestartPolicy;
      await engine.update(request.params.id, {
        ...(Object.keys(resources).length > 0 && { resources }),
        ...(policy?.Name !== undefined && policy.Name !== '' && { restartPolicy: toRestartPolicy(policy) }),
      });
      return { Warnings: [] };
    },
  );

  app.delete(
    '/containers/:id',
    { schema: { params: idParams, querystring: z.object({ force: flag, v: flag, link: flag }) } },
    async (request, reply) => {
      const { force, v, link } = request.query;
      if (link) throw new EngineError('unimplemented', 'links between containers are not supported (link=1)');
      await engine.remove(request.params.id, { force, volumes: v });
      return await reply.code(204).send();
    },
  );

  app.post(
    '/containers/prune',
    { schema: { querystring: z.object({ filters: filters(['label', 'label!', 'until']) }) } },
    async (request): Promise<ContainersPruneResponse> => {
      const { ids, reclaimedBytes } = await engine.prune(request.query.filters);
      return { ContainersDeleted: ids, SpaceReclaimed: reclaimedBytes };
    },
  );
}

function toStopOptions(query: z.output<typeof stopQuery>) {
  return {
    ...(query.t !== undefined && { timeoutSeconds: query.t }),
    ...(query.signal !== undefined && { signal: query.signal }),
  };
}

/** Docker's client pulls an image when create answers 404 with these words. */
function findImage(images: ContainersBackend['images'], name: string, platform: string | undefined): Image {
  const image = getImage(images, name);
  if (platform === undefined) return image;
  const [os, architecture, variant] = platform.split('/');
  const matches =
    os === image.os &&
    (architecture === undefined || architecture === image.architecture) &&
    (variant === undefined || image.variant === undefined || variant === image.variant);
  if (matches) return image;
  throw new EngineError(
    'not_found',
    `No such image: ${name} (it is here for ${image.os}/${image.architecture}, not for ${platform})`,
  );
}

function getImage(images: ContainersBackend['images'], name: string): Image {
  try {
    return images.get(name);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not_found')
      throw new EngineError('not_found', `No such image: ${name}`, { cause: error });
    throw error;
  }
}

function warningsFor(image: Image): readonly string[] {
  const { healthcheck } = image.config;
  const test = healthcheck?.['Test'];
  if (!Array.isArray(test) || test.length === 0 || test[0] === 'NONE') return [];
  return ["The image's HEALTHCHECK is not run: health checks are not supported yet"];
}
