/**
 * The daemon's HTTP server: one Fastify instance under every API, on a server that also passes connection upgrades
 * through Fastify's routing, so that a hijacked request is routed and validated like any other.
 */
import { createServer, ServerResponse } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import fastify, { LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { EngineError } from '../../errors/engine-error.ts';
import { compileZodSchema } from './zod-provider.ts';
import type { ZodTypeProvider } from './zod-provider.ts';

/**
 * The response to a request whose connection was upgraded: its handler may take the bare connection from it. While the
 * request's body is still on its way, Node hands out a stream in the connection's place that begins behind the body:
 * what comes is read from `input`, what goes is written to `output`, the connection itself.
 */
export class UpgradeResponse extends ServerResponse {
  readonly input: Duplex;
  readonly output: Socket;
  constructor(request: IncomingMessage, input: Duplex) {
    super(request);
    this.input = input;
    this.output = request.socket;
    this.shouldKeepAlive = false;
    this.assignSocket(this.output);
    this.once('finish', () => this.closeGracefully());
  }

  /**
   * Ends our side and lets go of what the client still sends: input that is unread when a socket is closed resets the
   * connection, and the client would lose the end of what was said.
   */
  closeGracefully(): void {
    this.output.end();
    this.input.resume();
    const linger = setTimeout(() => this.output.destroy(), lingerMs);
    this.output.once('close', () => clearTimeout(linger));
  }
}

/** How long a client may take to close its side after everything has been said. */
const lingerMs = 10_000;

export interface ApiServerOptions {
  readonly logger: FastifyBaseLogger;
  /** Changes a request's URL before it is routed (Docker's version prefix). */
  readonly rewriteUrl: (url: string) => string;
  /** Requests that want an upgrade and get none are served as if they had not asked. */
  readonly mayUpgrade: (method: string, url: string) => boolean;
}

/** Bytes of a JSON body; archives are streams and have no such limit. */
const maxBodyBytes = 4 << 20;

export type ZodFastify = ReturnType<typeof withZod>;
function withZod(app: FastifyInstance) {
  return app.withTypeProvider<ZodTypeProvider>();
}

export function createApiServer(options: ApiServerOptions): ZodFastify {
  const { logger, rewriteUrl, mayUpgrade } = options;
  /** The HTTP server forgets a connection when it is upgraded; closing must end it all the same. */
  const upgraded = new Set<Socket>();
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    // An upload may take as long as it takes; a request's head may not (Node's default of 60 s stays).
    requestTimeout: 0,
    routerOptions: { maxParamLength: 1024, ignoreDuplicateSlashes: true },
    rewriteUrl: (request) => rewriteUrl(request.url ?? '/'),
    // Fastify's own compilers for JSON schemas would be loaded, 6 MB of them, and never used.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    // A daemon that is told to stop does not wait for clients that follow logs.
    forceCloseConnections: true,
    serverFactory: (handler) => {
      const server = createServer(
        {
          requestTimeout: 0,
          shouldUpgradeCallback: (request) =>
            mayUpgrade(request.method ?? '', rewriteUrl(request.url ?? '/')),
        },
        handler,
      );
      server.on('upgrade', (request: IncomingMessage, connection: Duplex, head: Buffer) => {
        const { socket } = request;
        upgraded.add(socket);
        socket.once('close', () => upgraded.delete(socket));
        if (head.length > 0) connection.unshift(head);
        // A client that goes away in the middle shows as the connection's end; whoever writes to it is told by `close`.
        socket.on('error', () => socket.destroy());
        if (connection !== socket) connection.on('error', () => socket.destroy());
        handler(request, new UpgradeResponse(request, connection));
      });
      return server;
    },
  });
  app.addHook('preClose', (done) => {
    for (const connection of upgraded) connection.destroy();
    done();
  });
  app.setValidatorCompiler(compileZodSchema);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') done(null, undefined);
    else
      try {
        done(null, JSON.parse(body as string));
      } catch (error) {
        done(new EngineError('invalid_argument', 'the request body is not JSON', { cause: error }));
      }
  });
  // Anything else is a stream, read by whoever wants it (archives), else left alone.
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  return withZod(app);
}

function noCompiler() {
  return (): never => {
    throw new EngineError('internal', 'a route has a schema that is not zod’s');
  };
}
