/** Image references by Docker's grammar: `busybox` is `docker.io/library/busybox:latest` to people and to registries. */
import { EngineError } from '../errors/engine-error.ts';
import { parseDigest, type Digest } from './digest.ts';

export interface Reference {
  /** Registry host, with its port: docker.io, ghcr.io, localhost:5000. */
  readonly domain: string;
  /** Repository on that registry: library/busybox. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}
/** A reference that names one tag. */
export interface TaggedReference extends Reference {
  readonly tag: string;
}

const defaultDomain = 'docker.io';
const officialPrefix = 'library/';
const longestName = 255;
const longestReference = longestName + 1 + 128 + 1 + 300;

const domainPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?$/;
const pathComponentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

function invalid(text: string, why: string): EngineError {
  return new EngineError('invalid_argument', `invalid reference format "${text.slice(0, 200)}": ${why}`);
}

/** As the user wrote it; a missing tag stays missing. Throws `invalid_argument`. */
export function parseReference(text: string): Reference {
  if (text === '') throw invalid(text, 'it is empty');
  if (text.length > longestReference) throw invalid(text, 'it is too long');
  if (/^[a-f0-9]{64}$/.test(text))
    throw invalid(text, 'a repository cannot be 64 hexadecimal digits, that is an image ID');
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1));
  const named = at < 0 ? text : text.slice(0, at);
  const slash = named.lastIndexOf('/');
  const colon = named.indexOf(':', slash + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !tagPattern.test(tag)) {
    throw invalid(
      text,
      'a tag is 1 to 128 letters, digits, "_", "." and "-", and starts with none of the last two',
    );
  }
  const { domain, path } = splitDomain(colon < 0 ? named : named.slice(0, colon));
  checkName(text, domain, path);
  return { domain, path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain =
    first !== '' && (/[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  let domain = isDomain ? first : defaultDomain;
  if (domain === 'index.docker.io' || domain === 'registry-1.docker.io') domain = defaultDomain;
  let path = isDomain ? name.slice(slash + 1) : name;
  if (domain === defaultDomain && !path.includes('/')) path = officialPrefix + path;
  return { domain, path };
}

function checkName(text: string, domain: string, path: string): void {
  if (domain.length + 1 + path.length > longestName)
    throw invalid(text, `the name is longer than ${longestName} characters`);
  if (!domainPattern.test(domain)) throw invalid(text, `"${domain}" is not a registry's host name`);
  if (path.split('/').every((component) => pathComponentPattern.test(component))) return;
  if (path !== path.toLowerCase()) throw invalid(text, `repository name (${path}) must be lowercase`);
  throw invalid(
    text,
    'a repository is lower-case letters and digits, separated by ".", "_", "__", "-" and "/"',
  );
}

/** Whether a registry's word can be a tag. */
export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** With `:latest` where neither tag nor digest was given. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: 'latest' }
    : reference;
}

export function isTagged(reference: Reference): reference is TaggedReference {
  return reference.tag !== undefined;
}

/** The name as people write it: busybox, ghcr.io/a/b. */
export function familiarName(reference: Reference): string {
  if (reference.domain !== defaultDomain) return `${reference.domain}/${reference.path}`;
  const short = reference.path.slice(officialPrefix.length);
  return reference.path.startsWith(officialPrefix) && !short.includes('/') ? short : reference.path;
}

/** The whole reference as people write it: busybox:latest, busybox@sha256:… */
export function familiarString(reference: Reference): string {
  return familiarName(reference) + suffix(reference);
}

/** The whole reference, spelled out: docker.io/library/busybox:latest. */
export function canonicalString(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffix(reference)}`;
}

function suffix(reference: Reference): string {
  return (
    (reference.tag === undefined ? '' : `:${reference.tag}`) +
    (reference.digest === undefined ? '' : `@${reference.digest}`)
  );
}
