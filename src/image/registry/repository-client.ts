/** One repository for the time of a pull: its mirrors and its registry, tried in that order. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { RegistryCredentials } from '../../engine/ports/images.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseDigest, sha256Digest, type Digest } from '../../oci/digest.ts';
import { checkShape, manifestMaxBytes, parseJson, type Descriptor } from '../../oci/manifest.ts';
import { acceptedManifests } from '../../oci/media-types.ts';
import { familiarName, isTag, type Reference } from '../../oci/reference.ts';
import type { RetryPolicy } from './backoff.ts';
import { EndpointSession, type EndpointRequest } from './endpoint-session.ts';
import type { HttpClient, HttpResponse } from './http-client.ts';
import { endpointsOf, type RegistriesConfig } from './registry-config.ts';

const tagPagesMax = 1000;
const tagsMax = 100_000;
const tagListMaxBytes = 8 * 1024 * 1024;
const tagsSchema = z.object({ tags: z.array(z.string().max(128)).nullish() });

export interface FetchedManifest {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly contentType: string | undefined;
}

export class RepositoryClient {
  readonly #name: string;
  readonly #sessions: readonly EndpointSession[];

  /** `credentials` are for the registry itself; mirrors are asked anonymously. */
  constructor(
    http: HttpClient,
    reference: Reference,
    config: RegistriesConfig,
    credentials: RegistryCredentials | undefined,
    retry: RetryPolicy,
  ) {
    this.#name = familiarName(reference);
    const endpoints = endpointsOf(reference.domain, config);
    this.#sessions = endpoints.map((endpoint, i) => {
      const isOrigin = i === endpoints.length - 1;
      // A mirror is given up quickly: the registry itself is behind it.
      const policy = isOrigin ? retry : { ...retry, attempts: 1 };
      return new EndpointSession(
        http,
        endpoint,
        reference.path,
        this.#name,
        isOrigin ? credentials : undefined,
        policy,
      );
    });
  }

  /** By tag or digest. A digest is checked; a tag's content gets the digest that it has. */
  async manifest(tagOrDigest: string, signal: AbortSignal): Promise<FetchedManifest> {
    const what = `manifest for ${this.#name}${tagOrDigest.includes(':') ? '@' : ':'}${tagOrDigest}`;
    return await this.#first(signal, async (session) => {
      const { response, bytes } = await session.getBody(
        { path: `manifests/${tagOrDigest}`, accept: acceptedManifests.join(', '), what },
        manifestMaxBytes,
        signal,
      );
      const digest = sha256Digest(createHash('sha256').update(bytes).digest('hex'));
      if (tagOrDigest.includes(':') && tagOrDigest !== digest) {
        throw new EngineError('data_loss', `${what}: ${session.host} sent content with the digest ${digest}`);
      }
      return { bytes, digest, contentType: response.header('content-type') };
    });
  }

  /** A small blob (a config), whole and verified. */
  async smallBlob(
    descriptor: Descriptor,
    maxBytes: number,
    what: string,
    signal: AbortSignal,
  ): Promise<Buffer> {
    if (descriptor.size > maxBytes)
      throw new EngineError('resource_exhausted', `${what} is larger than ${maxBytes} bytes`);
    return await this.#first(signal, async (session) => {
      const { bytes } = await session.getBody(this.#blobRequest(descriptor.digest, what), maxBytes, signal);
      const digest = sha256Digest(createHash('sha256').update(bytes).digest('hex'));
      if (digest !== descriptor.digest)
        throw new EngineError(
          'data_loss',
          `${what} has the digest ${digest}, its manifest says ${descriptor.digest}`,
        );
      return bytes;
    });
  }

  /** A blob from `offset` on. Status 206 when the registry honoured the offset, 200 when it sends everything. */
  async blob(digest: Digest, offset: number, what: string, signal: AbortSignal): Promise<HttpResponse> {
    return await this.#first(signal, (session) =>
      session.get({ ...this.#blobRequest(digest, what), offset }, signal),
    );
  }

  async tags(signal: AbortSignal): Promise<readonly string[]> {
    return await this.#first(signal, async (session) => {
      const tags: string[] = [];
      let path: string | undefined = 'tags/list';
      for (let page = 0; path !== undefined; page++) {
        const what = `tags of ${this.#name}`;
        if (page === tagPagesMax || tags.length > tagsMax)
          throw new EngineError(
            'resource_exhausted',
            `${this.#name} has more tags than can be pulled at once`,
          );
        const { response, bytes } = await session.getBody({ path, what }, tagListMaxBytes, signal);
        const list = checkShape(tagsSchema, parseJson(bytes, tagListMaxBytes, what), what).tags ?? [];
        for (const tag of list) if (isTag(tag)) tags.push(tag);
        path = nextPage(response);
      }
      return tags;
    });
  }

  #blobRequest(digest: Digest, what: string): EndpointRequest {
    return { path: `blobs/${parseDigest(digest)}`, what };
  }

  /** The first address that can, or the error of the last one: the registry itself. */
  async #first<T>(signal: AbortSignal, ask: (session: EndpointSession) => Promise<T>): Promise<T> {
    let failure: unknown;
    for (const session of this.#sessions) {
      try {
        return await ask(session);
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }
}

/** `Link: </v2/x/tags/list?last=b&n=2>; rel="next"`, taken from this repository only. */
function nextPage(response: HttpResponse): string | undefined {
  const target = /<([^>]{1,4096})>\s*;\s*rel="?next"?/.exec(response.header('link') ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, response.url)) return undefined;
  const url = new URL(target, response.url);
  return url.origin === response.url.origin && url.pathname === response.url.pathname
    ? `tags/list${url.search}`
    : undefined;
}
