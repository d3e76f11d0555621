/** GET /containers/{id}/logs */
import { setImmediate } from 'node:timers/promises';
import * as z from 'zod';
import { EngineError } from '../../../errors/engine-error.ts';
import type { Engine, LogEntry } from '../../../engine/service.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { clientGone } from '../../http/request-signal.ts';
import { writeThrough } from '../../http/write-through.ts';
import { beginAnswer } from '../answer-stream.ts';
import { flag, text, timestampNs } from '../query.ts';
import { frameHeader, streamContentType } from '../stream-frames.ts';
import { toRfc3339Nano } from '../time.ts';
import { idParams } from './route-schemas.ts';

export interface LogsBackend {
  readonly engine: Pick<Engine, 'get' | 'logBatches'>;
}

const logsQuery = z.object({
  follow: flag,
  stdout: flag,
  stderr: flag,
  since: timestampNs,
  until: timestampNs,
  timestamps: flag,
  tail: text,
  details: flag,
});

export function logsRoutes(app: ZodFastify, { engine }: LogsBackend): void {
  app.get(
    '/containers/:id/logs',
    { schema: { params: idParams, querystring: logsQuery } },
    async (request, reply) => {
      const { follow, stdout, stderr, since, until, timestamps, tail, details } = request.query;
      if (!stdout && !stderr)
        throw new EngineError('invalid_argument', 'Bad parameters: you must choose at least one stream');
      if (details) throw new EngineError('unimplemented', 'logs with details=1 are not supported yet');
      const { id, spec } = engine.get(request.params.id);
      const lines = parseTail(tail);
      const gone = clientGone(reply);
      const batches = engine.logBatches(
        id,
        {
          stdout,
          stderr,
          follow,
          ...(lines !== undefined && { tail: lines }),
          ...(since !== undefined && { sinceNs: since }),
          ...(until !== undefined && { untilNs: until }),
        },
        gone,
      );
      const iterator = batches[Symbol.asyncIterator]();
      let next = iterator.next();
      // What is wrong with the request shows at once; after the head only the stream's end could tell.
      await (follow ? Promise.race([next, setImmediate()]) : next);
      const answer = beginAnswer(reply, streamContentType(spec.tty, request.apiMinor));
      const stamps = timestamps ? new LineStamps() : undefined;
      try {
        for (let result = await next; result.done !== true; result = await next) {
          await writeThrough(answer, ...result.value.flatMap((entry) => toChunks(entry, stamps, spec.tty)));
          next = iterator.next();
        }
      } catch (error) {
        if (!gone.aborted) request.log.error({ err: error, container: id }, 'logs ended early');
        answer.destroy();
        return;
      } finally {
        await iterator.return?.();
      }
      answer.end();
    },
  );
}

function toChunks(entry: LogEntry, stamps: LineStamps | undefined, tty: boolean): readonly Uint8Array[] {
  const stamp = Buffer.from(stamps?.prefixFor(entry) ?? '');
  if (tty) return [stamp, entry.data];
  return [frameHeader(entry.stream, stamp.length + entry.data.length), stamp, entry.data];
}

/** "all" and nothing mean all. */
function parseTail(tail: string | undefined): number | undefined {
  if (tail === undefined || tail === 'all') return undefined;
  // Docker takes any negative or unreadable number for all; a number is clear, the rest is a mistake.
  if (!/^-?\d{1,9}$/.test(tail))
    throw new EngineError('invalid_argument', `tail "${tail}" is neither a number nor "all"`);
  return Number(tail) < 0 ? undefined : Number(tail);
}

/** A time stands before each line, not before each part of a long one. */
class LineStamps {
  readonly #atLineStart = { stdout: true, stderr: true };

  prefixFor(entry: LogEntry): string {
    const starts = this.#atLineStart[entry.stream];
    this.#atLineStart[entry.stream] = entry.data.at(-1) === 0x0a;
    return starts ? `${toRfc3339Nano(entry.timeNs)} ` : '';
  }
}
