/**
 * Heads of HTTP/1.1 messages (RFC 9112). Node's own client is not used because loading `node:http` costs more than
 * a whole `dvm version` may (measured: 5 to 9 ms of processor time), and because hijacked streams are simpler below it.
 */
import { EngineError } from '../errors/engine-error.ts';

export interface RequestHead {
  readonly method: string;
  /** Path and query, encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ResponseHead {
  readonly status: number;
  /** Names in lower case; of a repeated header the last one. */
  readonly headers: ReadonlyMap<string, string>;
}

export function formatRequestHead(head: RequestHead): string {
  let text = `${head.method} ${head.target} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(head.headers)) {
    if (/[\r\n\0]/.test(value)) {
      throw new EngineError('invalid_argument', `the request header ${name} would contain a line break`);
    }
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

/** `text` is everything before the empty line. */
export function parseResponseHead(text: string): ResponseHead {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) {
    throw new EngineError(
      'unavailable',
      `what listens on the socket does not speak HTTP: it answered ${JSON.stringify(statusLine.slice(0, 80))}`,
    );
  }
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status), headers };
}
