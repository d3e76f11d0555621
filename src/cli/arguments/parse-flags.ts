/**
 * Command lines by the rules that docker's users know (those of Go's pflag): --name value, --name=value, -n value, -nvalue,
 * -n=value, clusters of short flags (-it), booleans that may be given =false, and -- ends the flags.
 */
import { messageOf } from '../../errors/engine-error.ts';
import type { FlagSpec } from './flag-spec.ts';
import { FlagValues } from './flag-values.ts';
import { UsageError } from './usage-error.ts';

export interface ParsedLine {
  readonly flags: FlagValues;
  readonly args: readonly string[];
  /** --help stood on the line: nothing else counts. */
  readonly help: boolean;
}

export interface ParseOptions {
  readonly stopAtFirstArgument: boolean;
  /** Names and shorts that are refused as not supported. */
  readonly unsupported: readonly string[];
}

const truths: Readonly<Record<string, string>> = {
  '1': 'true',
  t: 'true',
  T: 'true',
  true: 'true',
  TRUE: 'true',
  True: 'true',
  '0': 'false',
  f: 'false',
  F: 'false',
  false: 'false',
  FALSE: 'false',
  False: 'false',
};

export function parseFlags(
  words: readonly string[],
  specs: readonly FlagSpec[],
  options: ParseOptions,
): ParsedLine {
  return new LineParser(words, specs, options).parse();
}

class LineParser {
  readonly #words: readonly string[];
  readonly #specs: readonly FlagSpec[];
  readonly #options: ParseOptions;
  readonly #values = new Map<string, string[]>();
  readonly #args: string[] = [];
  #at = 0;
  #help = false;

  constructor(words: readonly string[], specs: readonly FlagSpec[], options: ParseOptions) {
    this.#words = words;
    this.#specs = specs;
    this.#options = options;
  }

  parse(): ParsedLine {
    while (!this.#help) {
      const word = this.#next();
      if (word === undefined) break;
      if (word === '--') this.#takeRest();
      else if (word.startsWith('--')) this.#long(word.slice(2));
      else if (word.length > 1 && word.startsWith('-')) this.#shorts(word.slice(1));
      else {
        this.#args.push(word);
        if (this.#options.stopAtFirstArgument) this.#takeRest();
      }
    }
    this.#takeRest(); // after --help: the verb, when it stood before that
    return { flags: new FlagValues(this.#specs, this.#values), args: this.#args, help: this.#help };
  }

  #next(): string | undefined {
    return this.#words[this.#at++];
  }

  #takeRest(): void {
    this.#args.push(...this.#words.slice(this.#at));
    this.#at = this.#words.length;
  }

  #long(text: string): void {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? undefined : text.slice(equals + 1);
    if (name === '') throw new UsageError(`bad flag syntax: --${text}`);
    const spec = this.#specs.find((candidate) => candidate.name === name);
    if (spec === undefined) {
      if (name === 'help') return void (this.#help = true);
      throw this.#unknown(name, `unknown flag: --${name}`, `--${name}`);
    }
    this.#set(spec, value ?? this.#valueOf(spec, `flag needs an argument: --${name}`));
  }

  #shorts(cluster: string): void {
    for (let rest = cluster; rest !== '';) {
      const short = rest.slice(0, 1);
      rest = rest.slice(1);
      const spec = this.#specs.find((candidate) => candidate.short === short);
      if (spec === undefined) {
        if (short === 'h') return void (this.#help = true);
        throw this.#unknown(short, `unknown shorthand flag: '${short}' in -${cluster}`, `-${short}`);
      }
      if (rest.startsWith('=')) {
        this.#set(spec, rest.slice(1));
        return;
      }
      if (spec.kind === 'bool') {
        this.#set(spec, 'true');
        continue;
      }
      const value =
        rest === '' ? this.#valueOf(spec, `flag needs an argument: '${short}' in -${cluster}`) : rest;
      this.#set(spec, value);
      return;
    }
  }

  #unknown(name: string, message: string, shown: string): UsageError {
    return this.#options.unsupported.includes(name)
      ? new UsageError(`${shown} is not supported by DVM: leave it out`)
      : new UsageError(message);
  }

  #valueOf(spec: FlagSpec, missing: string): string {
    if (spec.kind === 'bool') return 'true';
    const value = this.#next();
    if (value === undefined) throw new UsageError(missing);
    return value;
  }

  #set(spec: FlagSpec, value: string): void {
    const checked = checkedValue(spec, value);
    const given = this.#values.get(spec.name);
    if (given === undefined) this.#values.set(spec.name, [checked]);
    else given.push(checked);
  }
}

function checkedValue(spec: FlagSpec, value: string): string {
  try {
    spec.check?.(value);
  } catch (error) {
    throw badValue(spec, value, messageOf(error));
  }
  if (spec.kind === 'bool') {
    const truth = truths[value];
    if (truth !== undefined) return truth;
    throw badValue(spec, value, 'it is neither true nor false');
  }
  if (spec.kind === 'int' && !/^[+-]?\d{1,15}$/.test(value))
    throw badValue(spec, value, 'it is not a whole number');
  return value;
}

function badValue(spec: FlagSpec, value: string, why: string): UsageError {
  const names = spec.short === undefined ? `--${spec.name}` : `-${spec.short}, --${spec.name}`;
  return new UsageError(`invalid argument ${JSON.stringify(value)} for "${names}" flag: ${why}`);
}
