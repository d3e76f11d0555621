/** HTTP(S) to registries: one request at a time, deadlines on connecting and on silence, redirects by hand. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { getCACertificates } from 'node:tls';
import { EngineError, messageOf } from '../../errors/engine-error.ts';

export interface HttpRequest {
  readonly url: URL;
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Accept any certificate (a registry configured as insecure). */
  readonly skipTlsVerify?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly url: URL;
  readonly stream: IncomingMessage;
  header(name: string): string | undefined;
}

export interface HttpTimeouts {
  /** Until the response's headers. */
  readonly responseMs: number;
  /** Longest silence within a body. */
  readonly idleMs: number;
}
export const defaultHttpTimeouts: HttpTimeouts = { responseMs: 30_000, idleMs: 60_000 };

const redirectsMax = 10;
/** A connection that no request uses is closed after this; without it, it stays until the registry tires of it. */
const unusedConnectionMs = 5000;

export class HttpClient implements Disposable {
  readonly #timeouts: HttpTimeouts;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  #authorities: string[] | undefined;

  /** `environment` is where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked up. */
  constructor(environment: NodeJS.ProcessEnv, timeouts: HttpTimeouts) {
    this.#timeouts = timeouts;
    const options = {
      keepAlive: true,
      timeout: unusedConnectionMs,
      proxyEnv: proxyVariables(environment),
    };
    this.#http = new HttpAgent(options);
    this.#https = new HttpsAgent(options);
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /**
   * Follows redirects. Credentials go to the host they are for and to no other, and an encrypted request is never
   * answered by a plain one. Rejects with `unavailable` when there is no answer, or with the signal's reason.
   */
  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    let current = request;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#once(current, signal);
      const location = response.header('location');
      if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return response;
      response.stream.destroy();
      if (redirects === redirectsMax)
        throw new EngineError('unavailable', `${request.url.host} redirects more than ${redirectsMax} times`);
      current = redirected(current, response.url, location);
    }
  }

  async #once(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const isTls = request.url.protocol === 'https:';
    const options = {
      method: request.method ?? 'GET',
      headers: { 'User-Agent': 'dvm', ...request.headers },
      signal,
    };
    const outgoing = isTls
      ? httpsRequest(request.url, { ...options, ...this.#trust(request.skipTlsVerify), agent: this.#https })
      : httpRequest(request.url, { ...options, agent: this.#http });
    const timer = setTimeout(() => {
      outgoing.destroy(
        new EngineError(
          'unavailable',
          `${request.url.host} did not answer within ${this.#timeouts.responseMs} ms`,
        ),
      );
    }, this.#timeouts.responseMs);
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(request.body);
    try {
      const stream = await promise;
      this.#watchSilence(stream, request.url);
      return {
        status: stream.statusCode ?? 0,
        url: request.url,
        stream,
        header: (name) => {
          const value = stream.headers[name.toLowerCase()];
          return Array.isArray(value) ? value.join(', ') : value;
        },
      };
    } catch (error) {
      signal.throwIfAborted();
      throw connectionFailure(request.url, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #watchSilence(stream: IncomingMessage, url: URL): void {
    stream.setTimeout(this.#timeouts.idleMs, () => {
      stream.destroy(
        new EngineError('unavailable', `${url.host} sent nothing for ${this.#timeouts.idleMs} ms`),
      );
    });
  }

  /** Node's own list of authorities and the host's, where a site's own authority is installed. Reading them takes a while. */
  #trust(skipTlsVerify: boolean | undefined): { rejectUnauthorized: boolean; ca?: string[] } {
    if (skipTlsVerify === true) return { rejectUnauthorized: false };
    this.#authorities ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
    return { rejectUnauthorized: true, ca: this.#authorities };
  }
}

function proxyVariables(environment: NodeJS.ProcessEnv): Record<string, string | undefined> {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'];
  return Object.fromEntries(names.map((name) => [name, environment[name]]));
}

function redirected(request: HttpRequest, from: URL, location: string): HttpRequest {
  if (!URL.canParse(location, from))
    throw new EngineError('unavailable', `${from.host} redirects to an invalid address`);
  const url = new URL(location, from);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && from.protocol === 'http:')) {
    throw new EngineError(
      'unavailable',
      `${from.host} redirects to ${url.protocol}//${url.host}, which is not encrypted`,
    );
  }
  const headers = { ...request.headers };
  if (url.origin !== from.origin) delete headers['Authorization'];
  return { ...request, url, headers };
}

/** A connection that failed, in words that say what to do. */
function connectionFailure(url: URL, cause: unknown): EngineError {
  if (cause instanceof EngineError) return cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return new EngineError(
    'unavailable',
    `cannot reach registry ${url.host}: ${describeFailure(code, url, cause)}`,
    { cause },
  );
}

function describeFailure(code: string, url: URL, cause: unknown): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `no such host (${code}); check the name and the host's DNS`;
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    return `${messageOf(cause)} (if it speaks plain HTTP, list ${url.host} under insecure registries in the daemon's configuration)`;
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(code)) {
    return `its TLS certificate is not trusted: ${messageOf(cause)}; install its authority on the host or list it under insecure registries`;
  }
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join('; ');
  return messageOf(cause);
}

/** Whether a TLS handshake met something that is not TLS. */
export function isNotTls(error: unknown): boolean {
  const cause = error instanceof EngineError ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return code === 'EPROTO' || code.startsWith('ERR_SSL_') || code === 'ECONNRESET';
}

/** A whole body within a cap. */
export async function readBody(response: HttpResponse, maxBytes: number, what: string): Promise<Buffer> {
  const declared = Number(response.header('content-length') ?? 0);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    if (declared > maxBytes) throw tooLarge(what, maxBytes);
    for await (const chunk of response.stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(what, maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    response.stream.destroy();
    if (error instanceof EngineError) throw error;
    throw new EngineError(
      'unavailable',
      `connection to ${response.url.host} broke while reading ${what}: ${messageOf(error)}`,
      { cause: error },
    );
  }
  return Buffer.concat(chunks);
}

function tooLarge(what: string, maxBytes: number): EngineError {
  return new EngineError('resource_exhausted', `${what} is larger than ${maxBytes} bytes`);
}
