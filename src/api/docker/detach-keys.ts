/** The keys that detach a client from a terminal: "ctrl-p,ctrl-q" unless the client names others. */
import { EngineError } from '../../errors/engine-error.ts';

export const defaultDetachKeys = 'ctrl-p,ctrl-q';

/** The byte that each key sends; empty text means the default. */
export function parseDetachKeys(text: string): Uint8Array {
  return Uint8Array.from((text === '' ? defaultDetachKeys : text).split(','), keyCode);
}

function keyCode(key: string): number {
  const control = /^ctrl-([a-z@^[\]_\\])$/.exec(key)?.[1];
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
  if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
  throw new EngineError(
    'invalid_argument',
    `invalid detach keys: "${key}" is neither a character nor ctrl- and one of a-z @ ^ [ ] _ \\`,
  );
}

/** Finds the keys in what is typed, also when they come in pieces. */
export class DetachScanner {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** What of the input is for the container, and whether the keys have been pressed. What might be the keys' beginning is held back. */
  scan(input: Uint8Array): { readonly forward: Uint8Array; readonly detached: boolean } {
    // Nearly all input: none of the keys in it.
    const first = this.#keys[0];
    if (this.#matched === 0 && (first === undefined || !input.includes(first)))
      return { forward: input, detached: false };
    const forward: number[] = [];
    for (const byte of input) {
      if (byte !== this.#keys[this.#matched]) {
        for (const held of this.#keys.subarray(0, this.#matched)) forward.push(held);
        this.#matched = 0;
      }
      if (byte === this.#keys[this.#matched]) this.#matched++;
      else forward.push(byte);
      if (this.#matched === this.#keys.length) return { forward: Uint8Array.from(forward), detached: true };
    }
    return { forward: Uint8Array.from(forward), detached: false };
  }
}
