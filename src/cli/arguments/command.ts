/** What a verb is: its flags and arguments as data, from which parsing, help and shell completion all come. */
import type { DaemonClient } from '../../client/daemon-client.ts';
import type { TextOutput } from '../terminal/text-output.ts';
import type { FlagValues } from './flag-values.ts';

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

export interface ArgumentCount {
  readonly min: number;
  readonly max: number;
}

export interface CommandContext {
  readonly flags: FlagValues;
  readonly args: readonly string[];
  readonly client: DaemonClient;
  readonly out: TextOutput;
  /** stderr */
  readonly err: TextOutput;
  /** The words it was called by: "run", "container run". */
  readonly calledAs: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Command {
  /** After the name: "[OPTIONS] CONTAINER [CONTAINER...]". */
  readonly usage: string;
  readonly flags: readonly FlagSpec[];
  readonly args: ArgumentCount;
  /** What a shell offers for the arguments. */
  readonly completeArgs?: ValueSource;
  /** Everything after the first argument belongs to somebody else: run's, create's, exec's and top's. */
  readonly stopAtFirstArgument?: boolean;
  /** Docker's flags that DVM does not have (yet): named in the error instead of "unknown flag". */
  readonly unsupported?: readonly string[];
  readonly run: (context: CommandContext) => Promise<number>;
}

export const anyNumber = Number.POSITIVE_INFINITY;
