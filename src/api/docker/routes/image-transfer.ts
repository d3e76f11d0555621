/** Images from elsewhere: pull, import, load. */
import { Readable } from 'node:stream';
import * as z from 'zod';
import { EngineError } from '../../../errors/engine-error.ts';
import type { Engine } from '../../../engine/service.ts';
import type { Image, ImageStore, PullRequest } from '../../../engine/ports/images.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { clientGone } from '../../http/request-signal.ts';
import { ProgressStream } from '../progress-stream.ts';
import { flag, text, textList } from '../query.ts';
import { parseRegistryAuth } from '../registry-auth.ts';

export interface ImageTransferBackend {
  readonly images: Pick<ImageStore, 'pull' | 'import' | 'load'>;
  readonly engine: Pick<Engine, 'recordImageEvent'>;
}

const createQuery = z.object({
  fromImage: text,
  fromSrc: text,
  repo: text,
  tag: text,
  message: text,
  changes: textList,
  platform: text,
});

export function imageTransferRoutes(app: ZodFastify, { images, engine }: ImageTransferBackend): void {
  app.post('/images/create', { schema: { querystring: createQuery } }, async (request, reply) => {
    const { fromImage, fromSrc, repo, tag, message, changes, platform } = request.query;
    const gone = clientGone(reply);
    const answer = new ProgressStream(reply);
    await untilDone(answer, async () => {
      if (fromImage !== undefined) {
        const credentials = parseRegistryAuth(request.headers['x-registry-auth']);
        const pull: PullRequest = {
          ...toReference(fromImage, tag),
          ...(platform !== undefined && { platform }),
          ...(credentials !== undefined && { credentials }),
        };
        const pulled = await images.pull(pull, answer.progress, gone);
        for (const image of pulled)
          engine.recordImageEvent('pull', pull.reference, { name: pull.reference, id: image.id });
        return;
      }
      if (fromSrc !== '-')
        throw fromSrc === undefined
          ? new EngineError('invalid_argument', 'neither fromImage nor fromSrc was given')
          : new EngineError(
              'unimplemented',
              `importing from a URL is not supported (fromSrc=${fromSrc}): send the archive with fromSrc=-`,
            );
      const reference = repo === undefined ? undefined : tag === undefined ? repo : `${repo}:${tag}`;
      const image = await images.import(
        bodyOf(request.body),
        {
          ...(reference !== undefined && { reference }),
          message: message ?? '',
          changes,
          ...(platform !== undefined && { platform }),
        },
        gone,
      );
      engine.recordImageEvent('import', image.id, { name: reference ?? image.id });
      answer.say({ status: image.id });
    });
  });

  app.post(
    '/images/load',
    { schema: { querystring: z.object({ quiet: flag, platform: text }) } },
    async (request, reply) => {
      const { quiet, platform } = request.query;
      if (platform !== undefined)
        throw new EngineError(
          'unimplemented',
          `loading one platform of an archive is not supported yet (platform=${platform})`,
        );
      const gone = clientGone(reply);
      const answer = new ProgressStream(reply);
      await untilDone(answer, async () => {
        const loaded = await images.load(
          bodyOf(request.body),
          quiet ? () => undefined : answer.progress,
          gone,
        );
        for (const image of loaded) {
          engine.recordImageEvent('load', image.id, { name: image.id });
          for (const line of describeLoaded(image)) answer.say({ stream: `${line}\n` });
        }
      });
    },
  );
}

async function untilDone(answer: ProgressStream, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!answer.begun) throw error;
    answer.fail(error);
    return;
  }
  answer.end();
}

/** Docker's client sends name and tag apart; a tag may be a digest. Without a tag every tag is meant. */
function toReference(fromImage: string, tag: string | undefined): Pick<PullRequest, 'reference' | 'allTags'> {
  if (tag !== undefined) return { reference: `${fromImage}${tag.includes(':') ? '@' : ':'}${tag}` };
  const lastPart = fromImage.slice(fromImage.lastIndexOf('/') + 1);
  if (lastPart.includes(':') || lastPart.includes('@')) return { reference: fromImage };
  return { reference: fromImage, allTags: true };
}

function describeLoaded(image: Image): readonly string[] {
  if (image.repoTags.length === 0) return [`Loaded image ID: ${image.id}`];
  return image.repoTags.map((tag) => `Loaded image: ${tag}`);
}

/** The archive: whatever is not JSON reaches the handler as the request's stream. */
function bodyOf(body: unknown): AsyncIterable<Uint8Array> {
  if (body instanceof Readable) return body as AsyncIterable<Uint8Array>;
  throw new EngineError('invalid_argument', 'the archive is missing: send it as the body of the request');
}
