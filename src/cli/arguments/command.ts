/** What a verb is: its flags and arguments as data, from which parsing, help and shell completion all come. */
import type { DaemonClient } from '../../client/daemon-client.ts';
import type { TextOutput } from '../terminal/text-output.ts';
import type { FlagSpec, ValueSource } from './flag-spec.ts';
import type { FlagValues } from './flag-values.ts';

export type { FlagSpec, ValueSource } from './flag-spec.ts';

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
  /** Every verb, for those that describe them. */
  readonly table: readonly TableEntry[];
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

export type Group = 'common' | 'command' | 'image' | 'container' | 'system' | 'hidden';

/** A verb before it is loaded. */
export interface TableEntry {
  /** The first is what help calls it; all of them work. */
  readonly names: readonly string[];
  readonly group: Group;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** Words that are followed by a verb. */
export const managementWords: Readonly<Record<string, string>> = {
  container: 'Manage containers',
  image: 'Manage images',
  system: 'Manage DVM',
};

export const anyNumber = Number.POSITIVE_INFINITY;
