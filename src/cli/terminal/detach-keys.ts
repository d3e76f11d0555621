/** The keys that leave a container running and give the terminal back: ctrl-p,ctrl-q, or what `--detach-keys` says. */
import { EngineError } from '../../errors/engine-error.ts';

const controlCodes: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

export const defaultDetachKeys = 'ctrl-p,ctrl-q';

/** Bytes of a list such as "ctrl-p,ctrl-q", "a,b" or "ctrl-\\". Throws `invalid_argument`. */
export function parseDetachKeys(text: string): Buffer {
  return Buffer.from(text.split(',').flatMap((key) => [...keyBytes(key, text)]));
}

function keyBytes(key: string, whole: string): Buffer {
  if (Array.from(key).length === 1) return Buffer.from(key);
  const name = /^ctrl-(.)$/.exec(key)?.[1];
  const code = name !== undefined && /[a-z]/.test(name) ? name.charCodeAt(0) - 96 : controlCodes[name ?? ''];
  if (code === undefined) {
    throw new EngineError(
      'invalid_argument',
      `invalid detach keys (${whole}): "${key}" is neither one character nor ctrl- and one of a-z @ [ \\ ] ^ _`,
    );
  }
  return Buffer.from([code]);
}

/** Looks for the sequence in what is typed. Keys that begin it are held back until it is clear that they do not. */
export class DetachDetector {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** What of `typed` goes to the process, and whether the sequence was completed (the rest is dropped then). */
  feed(typed: Buffer): { readonly pass: Buffer; readonly detached: boolean } {
    const pass: number[] = [];
    for (const byte of typed) {
      if (byte !== this.#keys[this.#matched] && this.#matched > 0) {
        pass.push(...this.#keys.subarray(0, this.#matched));
        this.#matched = 0;
      }
      if (byte !== this.#keys[this.#matched]) {
        pass.push(byte);
        continue;
      }
      this.#matched += 1;
      if (this.#matched === this.#keys.length) return { pass: Buffer.from(pass), detached: true };
    }
    return { pass: Buffer.from(pass), detached: false };
  }
}
