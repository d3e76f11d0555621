/** Content digests, `sha256:<64 hex digits>`. DVM's stores and paths are keyed by them. */
import { EngineError } from '../errors/engine-error.ts';

declare const digestBrand: unique symbol;
/** Made only by `parseDigest` and `sha256Digest`, so it is always safe to build a path from `digestHex`. */
export type Digest = string & { readonly [digestBrand]: true };

const sha256Pattern = /^sha256:[0-9a-f]{64}$/;
const anyDigestPattern = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]{1,256}$/;

export function isDigest(text: string): text is Digest {
  return sha256Pattern.test(text);
}

export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  if (text.length < 300 && anyDigestPattern.test(text) && !text.startsWith('sha256:')) {
    throw new EngineError(
      'unimplemented',
      `digest "${text}" is not a sha256 digest; DVM verifies sha256 only`,
    );
  }
  throw new EngineError(
    'invalid_argument',
    `invalid digest "${text.slice(0, 100)}": want sha256: and 64 hex digits`,
  );
}

/** From the hex digits that a SHA-256 hash yields. */
export function sha256Digest(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** The twelve hex digits that people see. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}
