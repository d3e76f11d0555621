/** GET /events: one JSON object per line, until the client goes or `until` is reached. */
import * as z from 'zod';
import type { EngineEvent } from '../../../engine/model/container.ts';
import type { Engine } from '../../../engine/service.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { clientGone } from '../../http/request-signal.ts';
import { writeThrough } from '../../http/write-through.ts';
import { beginAnswer } from '../answer-stream.ts';
import { filters, timestampNs } from '../query.ts';
import { toUnixSeconds } from '../time.ts';
import type { EventMessage } from '../types.ts';

export interface EventsBackend {
  readonly engine: Pick<Engine, 'events'>;
}

const eventFilters = ['container', 'daemon', 'event', 'image', 'label', 'scope', 'type'];

const eventsQuery = z.object({ since: timestampNs, until: timestampNs, filters: filters(eventFilters) });

export function eventsRoutes(app: ZodFastify, { engine }: EventsBackend): void {
  app.get('/events', { schema: { querystring: eventsQuery } }, async (request, reply) => {
    const { since, until, filters: asked } = request.query;
    const gone = clientGone(reply);
    const events = engine.events(
      {
        ...(since !== undefined && { since: toDate(since) }),
        ...(until !== undefined && { until: toDate(until) }),
        filters: asked,
      },
      gone,
    );
    const answer = beginAnswer(reply, 'application/json');
    try {
      for await (const event of events) await writeThrough(answer, `${JSON.stringify(toMessage(event))}\n`);
    } catch (error) {
      if (!gone.aborted) request.log.error({ err: error }, 'events ended early');
    }
    answer.end();
  });
}

function toDate(timeNs: bigint): Date {
  return new Date(Number(timeNs / 1_000_000n));
}

function toMessage(event: EngineEvent): EventMessage {
  const { type, action, id, attributes, time } = event;
  const image = attributes['image'];
  return {
    ...(type !== 'daemon' && { status: action, id }),
    ...(type === 'container' && image !== undefined && { from: image }),
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: toUnixSeconds(time),
    // Docker's clients read this as a 64-bit integer; a double is exact to some hundred nanoseconds, the clock to 1 ms.
    timeNano: time.getTime() * 1_000_000,
  };
}
