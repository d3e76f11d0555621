/** `WWW-Authenticate` headers (RFC 9110, 11.6.1): what a registry wants to see. */
export interface Challenge {
  /** Lower case: basic, bearer. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const headerMaxBytes = 8192;

export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  // Either `name=value` / `name="value"`, or a bare word, which begins the next challenge.
  const pattern = /([A-Za-z0-9._~+/-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/gy;
  const text = header.slice(0, headerMaxBytes);
  let at = 0;
  while (at < text.length) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) {
      at++;
      continue;
    }
    at = pattern.lastIndex;
    const name = (match[1] ?? '').toLowerCase();
    const value = match[2]?.replace(/\\(.)/g, '$1') ?? match[3];
    const current = challenges.at(-1);
    if (value === undefined) challenges.push({ scheme: name, parameters: {} });
    else if (current !== undefined) current.parameters[name] = value;
  }
  return challenges;
}
