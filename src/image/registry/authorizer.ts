/**
 * Answers a registry's challenges for one pull: Basic, or a Bearer token from the token service it names
 * (distribution specification, "token authentication").
 */
import { z } from 'zod';
import type { RegistryCredentials } from '../../engine/ports/images.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { checkShape, parseJson } from '../../oci/manifest.ts';
import { isRetryableStatus, waitBeforeRetry, type RetryPolicy } from './backoff.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import { readBody, type HttpClient, type HttpRequest, type HttpResponse } from './http-client.ts';

const tokenMaxBytes = 1024 * 1024;
const defaultLifetimeS = 60;
/** A token is renewed this long before it ends, so that it does not end on the way. */
const renewBeforeMs = 10_000;

const tokenSchema = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
});

interface Token {
  readonly header: string;
  readonly expiresAtMs: number;
}

export class Authorizer {
  readonly #http: HttpClient;
  readonly #registry: URL;
  readonly #skipTlsVerify: boolean;
  readonly #credentials: RegistryCredentials | undefined;
  readonly #retry: RetryPolicy;
  #challenge: Challenge | undefined;
  readonly #tokens = new Map<string, Token>();

  constructor(
    http: HttpClient,
    registry: URL,
    skipTlsVerify: boolean,
    credentials: RegistryCredentials | undefined,
    retry: RetryPolicy,
  ) {
    this.#http = http;
    this.#registry = registry;
    this.#skipTlsVerify = skipTlsVerify;
    this.#credentials = credentials;
    this.#retry = retry;
  }

  get hasCredentials(): boolean {
    return this.#credentials !== undefined;
  }

  /** The header to send, as far as is known before the registry has asked. */
  async header(scope: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#credentials?.registryToken !== undefined) return `Bearer ${this.#credentials.registryToken}`;
    if (this.#challenge === undefined) return undefined;
    if (this.#challenge.scheme === 'basic') return this.#basic();
    const known = this.#tokens.get(scope);
    if (known !== undefined && known.expiresAtMs - renewBeforeMs > Date.now()) return known.header;
    const token = await this.#fetchToken(this.#challenge, scope, signal);
    this.#tokens.set(scope, token);
    return token.header;
  }

  /** Takes a 401's challenge in. False: there is nothing new to try, the answer stands. */
  accept(header: string | undefined, scope: string): boolean {
    const challenges = parseChallenges(header ?? '');
    const chosen =
      challenges.find(({ scheme }) => scheme === 'bearer') ??
      challenges.find(({ scheme }) => scheme === 'basic');
    if (chosen === undefined || this.#credentials?.registryToken !== undefined) return false;
    const isFirst = this.#challenge === undefined;
    this.#challenge = chosen;
    if (chosen.scheme === 'basic') return isFirst && this.#basic() !== undefined;
    return this.#tokens.delete(scope) || isFirst;
  }

  #basic(): string | undefined {
    const { username, password } = this.#credentials ?? {};
    if (username === undefined || username === '') return undefined;
    return `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  }

  async #fetchToken(challenge: Challenge, scope: string, signal: AbortSignal): Promise<Token> {
    const { realm = '', service } = challenge.parameters;
    const url = this.#realm(realm);
    const parameters = new URLSearchParams({ ...(service !== undefined && { service }), scope });
    const identityToken = this.#credentials?.identityToken;
    const basic = this.#basic();
    let body: string | undefined;
    if (identityToken !== undefined && identityToken !== '') {
      parameters.set('grant_type', 'refresh_token');
      parameters.set('refresh_token', identityToken);
      parameters.set('client_id', 'dvm');
      body = parameters.toString();
    } else {
      for (const [key, value] of parameters) url.searchParams.set(key, value);
      if (basic !== undefined) url.searchParams.set('account', this.#credentials?.username ?? '');
    }
    const response = await this.#sendPatiently(
      {
        url,
        method: body === undefined ? 'GET' : 'POST',
        headers:
          body === undefined
            ? { ...(basic !== undefined && { Authorization: basic }) }
            : { 'Content-Type': 'application/x-www-form-urlencoded' },
        ...(body !== undefined && { body }),
        skipTlsVerify: this.#skipTlsVerify,
      },
      signal,
    );
    const bytes = await readBody(response, tokenMaxBytes, `token from ${url.host}`);
    if (response.status !== 200) throw this.#refused(response.status, url);
    const answer = checkShape(
      tokenSchema,
      parseJson(bytes, tokenMaxBytes, `token from ${url.host}`),
      `token from ${url.host}`,
    );
    const token = [answer.token, answer.access_token].find((text) => text !== undefined && text !== '');
    if (token === undefined || /[^\x21-\x7e]/.test(token))
      throw new EngineError('unauthenticated', `${url.host} answered without a token`);
    return {
      header: `Bearer ${token}`,
      expiresAtMs: Date.now() + Math.max(answer.expires_in ?? 0, defaultLifetimeS) * 1000,
    };
  }

  async #sendPatiently(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.#http.send(request, signal);
      if (!isRetryableStatus(response.status) || attempt >= this.#retry.attempts) return response;
      response.stream.destroy();
      await waitBeforeRetry(this.#retry, attempt, response.header('retry-after'), signal);
    }
  }

  /** Credentials go where the registry says, but not from an encrypted registry over an open line. */
  #realm(realm: string): URL {
    if (!URL.canParse(realm))
      throw new EngineError(
        'unauthenticated',
        `${this.#registry.host} asks for a token from an invalid address "${realm.slice(0, 200)}"`,
      );
    const url = new URL(realm);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && this.#registry.protocol === 'http:')) {
      throw new EngineError(
        'unauthenticated',
        `${this.#registry.host} asks for a token from ${url.protocol}//${url.host}, which is not encrypted`,
      );
    }
    return url;
  }

  #refused(status: number, url: URL): EngineError {
    if (status === 429 || status >= 500)
      return new EngineError('unavailable', `token service ${url.host} answered ${status}; try again later`);
    if (this.hasCredentials) {
      return new EngineError(
        'unauthenticated',
        `unauthorized: ${url.host} refuses the credentials for ${this.#registry.host} (${status}): incorrect username or password`,
      );
    }
    return new EngineError(
      'unauthenticated',
      `unauthorized: ${url.host} gives no anonymous access to ${this.#registry.host} (${status}): log in first`,
    );
  }
}
