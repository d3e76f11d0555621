/** Further processes in a container. */
import * as z from 'zod';
import { EngineError } from '../../../errors/engine-error.ts';
import { StartError } from '../../../errors/start-error.ts';
import type { Attachment, Engine } from '../../../engine/service.ts';
import type { ExecView } from '../../../engine/model/container.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { clientGone } from '../../http/request-signal.ts';
import { untilDetached } from '../attach-input.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import { inDockersWords } from '../error-status.ts';
import { HijackedStream, requireInput } from '../hijack.ts';
import { refuseOtherFields } from '../create/refuse-fields.ts';
import { streamContentType } from '../stream-frames.ts';
import type { ExecCreateResponse, ExecInspect } from '../types.ts';
import { idParams, sizeQuery } from './route-schemas.ts';

export interface ExecBackend {
  readonly engine: Pick<Engine, 'execCreate' | 'execStart' | 'execResize' | 'execInspect'>;
  readonly shutdown: AbortSignal;
}

const consoleSize = z
  .tuple([z.int().min(0).max(65535), z.int().min(0).max(65535)])
  .nullish()
  .transform((size) =>
    size === undefined || size === null || size[0] === 0 ? undefined : { rows: size[0], cols: size[1] },
  );

const createShape = {
  User: z.string().default(''),
  Privileged: z.boolean().default(false),
  Tty: z.boolean().default(false),
  ConsoleSize: consoleSize,
  AttachStdin: z.boolean().default(false),
  AttachStdout: z.boolean().default(false),
  AttachStderr: z.boolean().default(false),
  DetachKeys: z.string().default(''),
  Env: z.array(z.string()).nullish(),
  WorkingDir: z.string().default(''),
  Cmd: z.array(z.string()).nullish(),
  /** Sent by older clients; what counts is exec start's. */
  Detach: z.boolean().optional(),
};
const createFields: ReadonlySet<string> = new Set(Object.keys(createShape));

const startShape = {
  Detach: z.boolean().default(false),
  Tty: z.boolean().default(false),
  ConsoleSize: consoleSize,
};
const startFields: ReadonlySet<string> = new Set(Object.keys(startShape));

export function execRoutes(app: ZodFastify, { engine, shutdown }: ExecBackend): void {
  app.post(
    '/containers/:id/exec',
    { schema: { params: idParams, body: z.looseObject(createShape) } },
    async (request, reply): Promise<ExecCreateResponse> => {
      const { body } = request;
      refuseOtherFields('', body, createFields);
      if (body.Cmd === undefined || body.Cmd === null || body.Cmd.length === 0)
        throw new EngineError('invalid_argument', 'No exec command specified');
      parseDetachKeys(body.DetachKeys);
      const exec = engine.execCreate(request.params.id, {
        args: body.Cmd,
        env: body.Env ?? [],
        workingDir: body.WorkingDir,
        user: body.User,
        tty: body.Tty,
        attachStdin: body.AttachStdin,
        attachStdout: body.AttachStdout,
        attachStderr: body.AttachStderr,
        privileged: body.Privileged,
        detachKeys: body.DetachKeys,
        ...(body.ConsoleSize !== undefined && { size: body.ConsoleSize }),
      });
      return await reply.code(201).send({ Id: exec.id });
    },
  );

  app.post(
    '/exec/:id/start',
    {
      schema: {
        params: idParams,
        body: z
          .looseObject(startShape)
          .nullish()
          .transform((body) => body ?? { Detach: false, Tty: false, ConsoleSize: undefined }),
      },
    },
    async (request, reply) => {
      const { Detach, ConsoleSize } = request.body;
      refuseOtherFields('', request.body, startFields);
      const { id, spec } = engine.execInspect(request.params.id);
      const size = spec.tty && ConsoleSize !== undefined ? { size: ConsoleSize } : {};
      if (Detach) {
        await engine.execStart(id, { detach: true, ...size }, {}, shutdown);
        return await reply.code(200).send();
      }
      if (spec.attachStdin) requireInput(request, reply);
      const client = new HijackedStream(request, reply, {
        contentType: streamContentType(spec.tty, request.apiMinor),
        tty: spec.tty,
      });
      const leaving: { attachment?: Attachment } = {};
      const detach = () => leaving.attachment?.detach();
      const input = spec.tty
        ? untilDetached(client.input, parseDetachKeys(spec.detachKeys ?? ''), detach)
        : client.input;
      try {
        leaving.attachment = await engine.execStart(
          id,
          { detach: false, ...size },
          {
            ...(spec.attachStdin && { stdin: input }),
            ...((spec.attachStdout || spec.attachStderr) && { write: client.write }),
          },
          AbortSignal.any([shutdown, clientGone(reply)]),
        );
      } catch (error) {
        // A command that cannot run is told on the stream, and its exit code by inspect, as Docker does.
        if (!(error instanceof StartError)) throw error;
        await client.write('stdout', Buffer.from(`${inDockersWords(error)}\r\n`));
        client.end();
        return;
      }
      client.begin();
      client.onClose(detach);
      await leaving.attachment.done.catch((error: unknown) => {
        request.log.warn({ err: error, exec: id }, 'exec ended early');
      });
      client.end();
    },
  );

  app.post(
    '/exec/:id/resize',
    { schema: { params: idParams, querystring: sizeQuery } },
    async (request, reply) => {
      const { h, w } = request.query;
      await engine.execResize(request.params.id, { rows: h, cols: w });
      return await reply.code(200).send();
    },
  );

  app.get('/exec/:id/json', { schema: { params: idParams } }, (request) =>
    toExecInspect(engine.execInspect(request.params.id)),
  );
}

function toExecInspect(view: ExecView): ExecInspect {
  const { spec } = view;
  const [entrypoint = '', ...args] = spec.args;
  return {
    ID: view.id,
    Running: view.running,
    ExitCode: view.exitCode ?? null,
    ProcessConfig: {
      tty: spec.tty,
      entrypoint,
      arguments: args,
      privileged: spec.privileged,
      ...(spec.user !== '' && { user: spec.user }),
    },
    OpenStdin: spec.attachStdin,
    OpenStderr: spec.attachStderr,
    OpenStdout: spec.attachStdout,
    CanRemove: false,
    ContainerID: view.containerId,
    DetachKeys: spec.detachKeys ?? '',
    Pid: view.pid,
  };
}
