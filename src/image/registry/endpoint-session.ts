/** Requests about one repository to one registry address: authorised, repeated when that may help, errors in Docker's words. */
import { z } from 'zod';
import type { RegistryCredentials } from '../../engine/ports/images.ts';
import { EngineError, errorCodeOf } from '../../errors/engine-error.ts';
import { Authorizer } from './authorizer.ts';
import { isRetryableStatus, waitBeforeRetry, type RetryPolicy } from './backoff.ts';
import { withoutControls } from '../tar/tar-entry.ts';
import { isNotTls, readBody, type HttpClient, type HttpResponse } from './http-client.ts';
import type { Endpoint } from './registry-config.ts';

const errorBodyMaxBytes = 64 * 1024;
const errorsSchema = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })).min(1),
});

export interface EndpointRequest {
  /** Below `<base>v2/<repository>/`. */
  readonly path: string;
  readonly accept?: string;
  /** First byte wanted of a blob. */
  readonly offset?: number;
  /** What is asked for, for errors: manifest for busybox:latest. */
  readonly what: string;
}

export class EndpointSession {
  readonly #http: HttpClient;
  readonly #endpoint: Endpoint;
  readonly #repository: string;
  /** As people write it. */
  readonly #name: string;
  readonly #retry: RetryPolicy;
  readonly #credentials: RegistryCredentials | undefined;
  #base: URL;
  #authorizer: Authorizer;

  constructor(
    http: HttpClient,
    endpoint: Endpoint,
    repository: string,
    name: string,
    credentials: RegistryCredentials | undefined,
    retry: RetryPolicy,
  ) {
    this.#http = http;
    this.#endpoint = endpoint;
    this.#repository = repository;
    this.#name = name;
    this.#retry = retry;
    this.#credentials = credentials;
    this.#base = endpoint.base;
    this.#authorizer = this.#newAuthorizer();
  }

  #newAuthorizer(): Authorizer {
    return new Authorizer(
      this.#http,
      this.#base,
      this.#endpoint.skipTlsVerify,
      this.#credentials,
      this.#retry,
    );
  }

  get host(): string {
    return this.#base.host;
  }

  /** A response with status 200 or 206; anything else becomes an error. */
  async get(request: EndpointRequest, signal: AbortSignal): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt >= this.#retry.attempts;
      const response = await this.#attempt(request, isLast, signal);
      if (response !== undefined && (isLast || !isRetryableStatus(response.status))) {
        return await this.#checked(response, request);
      }
      response?.stream.destroy();
      await waitBeforeRetry(this.#retry, attempt, response?.header('retry-after'), signal);
    }
  }

  /** Undefined: there was no answer, and trying again may help. */
  async #attempt(
    request: EndpointRequest,
    isLast: boolean,
    signal: AbortSignal,
  ): Promise<HttpResponse | undefined> {
    try {
      return await this.#try(request, signal);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.code === 'unavailable' && !isLast && !isPermanent(error)) return undefined;
      throw new EngineError(error.code, `${request.what}: ${error.message}`, { cause: error.cause ?? error });
    }
  }

  /** A whole small body. A connection that breaks within it counts as an attempt. */
  async getBody(
    request: EndpointRequest,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<{ readonly response: HttpResponse; readonly bytes: Buffer }> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.get(request, signal);
      try {
        return { response, bytes: await readBody(response, maxBytes, request.what) };
      } catch (error) {
        signal.throwIfAborted();
        if (errorCodeOf(error) !== 'unavailable' || attempt >= this.#retry.attempts) throw error;
        await waitBeforeRetry(this.#retry, attempt, undefined, signal);
      }
    }
  }

  async #try(request: EndpointRequest, signal: AbortSignal): Promise<HttpResponse> {
    try {
      return await this.#authorized(request, signal);
    } catch (error) {
      if (!this.#endpoint.mayFallBackToHttp || this.#base.protocol !== 'https:' || !isNotTls(error))
        throw error;
      this.#base = new URL(this.#base.href.replace('https:', 'http:'));
      this.#authorizer = this.#newAuthorizer();
      return await this.#authorized(request, signal);
    }
  }

  async #authorized(request: EndpointRequest, signal: AbortSignal): Promise<HttpResponse> {
    const scope = `repository:${this.#repository}:pull`;
    for (let round = 0; ; round++) {
      const authorization = await this.#authorizer.header(scope, signal);
      const response = await this.#http.send(
        {
          url: new URL(`v2/${this.#repository}/${request.path}`, this.#base),
          headers: {
            Accept: request.accept ?? '*/*',
            ...(authorization !== undefined && { Authorization: authorization }),
            ...(request.offset !== undefined && request.offset > 0 && { Range: `bytes=${request.offset}-` }),
          },
          skipTlsVerify: this.#endpoint.skipTlsVerify,
        },
        signal,
      );
      if (
        response.status !== 401 ||
        round === 2 ||
        !this.#authorizer.accept(response.header('www-authenticate'), scope)
      )
        return response;
      response.stream.resume();
    }
  }

  async #checked(response: HttpResponse, request: EndpointRequest): Promise<HttpResponse> {
    if (response.status === 200 || response.status === 206) return response;
    const body = await readBody(response, errorBodyMaxBytes, 'an error').catch((error: unknown) => {
      if (error instanceof EngineError) return Buffer.alloc(0);
      throw error;
    });
    throw this.#failure(response.status, parseRegistryError(body), request);
  }

  #failure(status: number, said: { code: string; text: string }, request: EndpointRequest): EngineError {
    const denied = `pull access denied for ${this.#name}, repository does not exist or may require 'docker login'`;
    if (status === 401 && this.#authorizer.hasCredentials) {
      return new EngineError(
        'unauthenticated',
        `unauthorized: ${this.host} refuses the credentials for ${this.#name}: incorrect username or password`,
      );
    }
    if (status === 403 && this.#authorizer.hasCredentials)
      return new EngineError('permission_denied', `${denied}: ${said.text}`);
    if (status === 401 || status === 403 || said.code === 'NAME_UNKNOWN')
      return new EngineError('not_found', `${denied}: ${said.text}`);
    if (status === 404) return new EngineError('not_found', `${request.what} not found: ${said.text}`);
    if (isRetryableStatus(status)) {
      return new EngineError(
        'unavailable',
        `registry ${this.host} answered ${status} for ${request.what}: ${said.text}; try again later`,
      );
    }
    return new EngineError(
      'unavailable',
      `registry ${this.host} answered ${status} for ${request.what}: ${said.text}`,
    );
  }
}

/**
 * Trying again does not help against a wrong name or certificate, nor soon against a refused connection. Without a cause it
 * is a decision of ours: it has waited long enough, or the registry redirects to where we do not go.
 */
function isPermanent(error: EngineError): boolean {
  const cause = error.cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return (
    cause === undefined ||
    /^(?:ENOTFOUND|ECONNREFUSED|EPROTO|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|CERT_|UNABLE_TO)/.test(code)
  );
}

function parseRegistryError(body: Buffer): { code: string; text: string } {
  try {
    const parsed = errorsSchema.safeParse(JSON.parse(body.toString('utf8')));
    const first = parsed.data?.errors[0];
    if (first !== undefined) {
      const code = withoutControls((first.code ?? '').slice(0, 100));
      return {
        code,
        text: `${code.toLowerCase().replaceAll('_', ' ')}: ${withoutControls((first.message ?? '').slice(0, 300))}`,
      };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const text = body
    .toString('utf8')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);
  return { code: '', text: text === '' ? 'no reason given' : text };
}
