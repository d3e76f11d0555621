/** What the build and `load-bundle.ts` agree on. */

export function codeCachePath(bundlePath: string): string {
  return `${bundlePath}.cache`;
}

/** The code cache belongs to exactly this text. */
export function wrapBundle(source: string): string {
  return `(function (require, exports, module) {${source}\n})`;
}
