/** Docker's filters for lists of images. */
import type { Image, ImageFilter } from '../../engine/ports/images.ts';

/** `resolve` gives the image that before and since name; it throws when there is none. */
export function filterImages(
  images: readonly Image[],
  filter: ImageFilter,
  resolve: (name: string) => Image,
): readonly Image[] {
  const before = filter.before === undefined ? undefined : createdMs(resolve(filter.before));
  const since = filter.since === undefined ? undefined : createdMs(resolve(filter.since));
  return images.filter(
    (image) =>
      (filter.dangling === undefined || (image.repoTags.length === 0) === filter.dangling) &&
      (before === undefined || createdMs(image) < before) &&
      (since === undefined || createdMs(image) > since) &&
      (filter.until === undefined || createdMs(image) < filter.until.getTime()) &&
      (filter.label ?? []).every((wanted) => hasLabel(image, wanted)) &&
      matchesReference(image, filter.reference ?? []),
  );
}

export function createdMs(image: Image): number {
  const ms = Date.parse(image.created ?? '');
  return Number.isNaN(ms) ? 0 : ms;
}

function hasLabel(image: Image, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const key = equals < 0 ? wanted : wanted.slice(0, equals);
  const value = Object.hasOwn(image.config.labels, key) ? image.config.labels[key] : undefined;
  return equals < 0 ? value !== undefined : value === wanted.slice(equals + 1);
}

/** A pattern is compared with the whole reference and with the name alone. */
function matchesReference(image: Image, patterns: readonly string[]): boolean {
  if (patterns.length === 0) return true;
  const candidates = [...image.repoTags, ...image.repoDigests].flatMap((reference) => [
    reference,
    nameOf(reference),
  ]);
  return patterns.some((pattern) => candidates.some((candidate) => matchesGlob(pattern, candidate)));
}

function nameOf(reference: string): string {
  const at = reference.indexOf('@');
  if (at >= 0) return reference.slice(0, at);
  const colon = reference.lastIndexOf(':');
  return colon > reference.lastIndexOf('/') ? reference.slice(0, colon) : reference;
}

/**
 * `*` and `?` match anything but "/", `[a-z]` one of a set, `\` takes the next character as it is. Goes back to the last star
 * only, so that no pattern takes more than length × length steps.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      starText = t;
      continue;
    }
    const step = p < pattern.length ? matchOne(pattern, p, text[t] ?? '') : 0;
    if (step > 0) {
      p += step;
      t++;
    } else if (star >= 0 && text[starText] !== '/') {
      p = star + 1;
      t = ++starText;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** How many characters of the pattern match this one; 0: they do not. */
function matchOne(pattern: string, at: number, character: string): number {
  const token = pattern[at];
  if (token === '?') return character === '/' ? 0 : 1;
  if (token === '\\' && at + 1 < pattern.length) return pattern[at + 1] === character ? 2 : 0;
  const close = token === '[' ? pattern.indexOf(']', at + 2) : -1;
  if (close < 0) return token === character ? 1 : 0;
  const negated = pattern[at + 1] === '^';
  return inSet(pattern.slice(at + (negated ? 2 : 1), close), character) !== negated && character !== '/'
    ? close - at + 1
    : 0;
}

function inSet(set: string, character: string): boolean {
  for (let i = 0; i < set.length; i++) {
    const low = set[i] ?? '';
    if (set[i + 1] === '-' && i + 2 < set.length) {
      if (low <= character && character <= (set[i + 2] ?? '')) return true;
      i += 2;
    } else if (low === character) {
      return true;
    }
  }
  return false;
}
