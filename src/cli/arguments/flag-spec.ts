/** A flag as data. */

/** What a flag's value may be; `list` may be given many times. */
export type FlagKind = 'bool' | 'string' | 'int' | 'list';

/** What a shell can offer for a value. */
export type ValueSource = 'file' | 'container' | 'running-container' | 'image' | 'none' | readonly string[];

export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  readonly kind: FlagKind;
  /** What help calls the value: string, list, bytes, … Not for `bool`. */
  readonly value?: string;
  readonly help: string;
  /** Shown in help. Booleans may default to true. */
  readonly default?: string | boolean;
  /** Throws EngineError or Error to refuse a value; the message names what is wrong with it. */
  readonly check?: (value: string) => void;
  readonly complete?: ValueSource;
  /** Understood, and not shown. */
  readonly hidden?: boolean;
}
