/** A client's terminal or pipes on a container's: attach, resize, wait. */
import * as z from 'zod';
import { EngineError } from '../../../errors/engine-error.ts';
import type { Attachment, Engine } from '../../../engine/service.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { clientGone } from '../../http/request-signal.ts';
import { messageOf } from '../../../errors/engine-error.ts';
import { beginAnswer } from '../answer-stream.ts';
import { untilDetached } from '../attach-input.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import { HijackedStream, requireInput } from '../hijack.ts';
import { flag, text } from '../query.ts';
import { streamContentType } from '../stream-frames.ts';
import type { ContainerWaitResponse } from '../types.ts';
import { idParams, sizeQuery } from './route-schemas.ts';

export interface AttachBackend {
  readonly engine: Pick<Engine, 'get' | 'attach' | 'resize' | 'wait'>;
}

const attachQuery = z.object({
  stdin: flag,
  stdout: flag,
  stderr: flag,
  stream: flag,
  logs: flag,
  detachKeys: text,
});

const waitConditions = ['not-running', 'next-exit', 'removed'] as const;

export function attachRoutes(app: ZodFastify, { engine }: AttachBackend): void {
  app.post(
    '/containers/:id/attach',
    { schema: { params: idParams, querystring: attachQuery } },
    async (request, reply) => {
      const { stdin, stdout, stderr, stream, logs, detachKeys } = request.query;
      const keys = parseDetachKeys(detachKeys ?? '');
      const { id, spec } = engine.get(request.params.id);
      const takesInput = stdin && stream && spec.openStdin;
      if (takesInput) requireInput(request, reply);
      const client = new HijackedStream(request, reply, {
        contentType: streamContentType(spec.tty, request.apiMinor),
        tty: spec.tty,
      });
      const leaving: { attachment?: Attachment } = {};
      const detach = () => leaving.attachment?.detach();
      const input = spec.tty ? untilDetached(client.input, keys, detach) : client.input;
      const attachment = engine.attach(
        id,
        { stdout, stderr, logs, stream },
        { ...(takesInput && { stdin: input }), ...((stdout || stderr) && { write: client.write }) },
      );
      leaving.attachment = attachment;
      client.begin();
      client.onClose(detach);
      await attachment.done.catch((error: unknown) => {
        request.log.warn({ err: error, container: id }, 'attach ended early');
      });
      client.end();
    },
  );

  app.post(
    '/containers/:id/resize',
    { schema: { params: idParams, querystring: sizeQuery } },
    async (request, reply) => {
      const { h, w } = request.query;
      await engine.resize(request.params.id, { rows: h, cols: w });
      return await reply.code(200).send();
    },
  );

  app.post(
    '/containers/:id/wait',
    { schema: { params: idParams, querystring: z.object({ condition: text }) } },
    async (request, reply) => {
      const asked = request.query.condition ?? 'not-running';
      const condition = waitConditions.find((known) => known === asked);
      if (condition === undefined) throw new EngineError('invalid_argument', `invalid condition: "${asked}"`);
      const gone = clientGone(reply);
      const { exit } = engine.wait(request.params.id, condition, gone);
      // Docker's client starts the container only when it has seen these headers.
      const answer = beginAnswer(reply, 'application/json');
      const result: ContainerWaitResponse = await exit.then(
        ({ exitCode }) => ({ StatusCode: exitCode }),
        (error: unknown) => ({ StatusCode: -1, Error: { Message: messageOf(error) } }),
      );
      answer.end(`${JSON.stringify(result)}\n`);
    },
  );
}
