/** Environment variables as lists of KEY=value. */

export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `base`, each variable replaced by what `overrides` says of it; an override without `=` takes the variable away. */
export function overrideEnvironment(
  base: readonly string[],
  overrides: readonly string[],
): readonly string[] {
  const result = new Map<string, string>();
  for (const entry of base) result.set(keyOf(entry), entry);
  for (const entry of overrides) {
    if (entry.includes('=')) result.set(keyOf(entry), entry);
    else result.delete(entry);
  }
  return [...result.values()];
}

/** The user's variables, and those of the image's that the user did not name. */
export function inheritEnvironment(user: readonly string[], image: readonly string[]): readonly string[] {
  const named = new Set(user.map(keyOf));
  return [...user, ...image.filter((entry) => !named.has(keyOf(entry)))];
}

function keyOf(entry: string): string {
  const equals = entry.indexOf('=');
  return equals < 0 ? entry : entry.slice(0, equals);
}
