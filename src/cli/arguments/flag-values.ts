/** What was given on the command line, by the flags' long names. Asking for a flag that the verb has not is a defect. */
import type { FlagSpec } from './flag-spec.ts';

export class FlagValues {
  readonly #specs: ReadonlyMap<string, FlagSpec>;
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(specs: readonly FlagSpec[], values: ReadonlyMap<string, readonly string[]>) {
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.#values = values;
  }

  /** Whether it stood on the command line, whatever its value. */
  isSet(name: string): boolean {
    return this.#given(name) !== undefined;
  }

  get setCount(): number {
    return this.#values.size;
  }

  bool(name: string): boolean {
    const last = this.#given(name)?.at(-1);
    return last === undefined ? this.#spec(name).default === true : last === 'true';
  }

  /** The last value given, else ''. */
  string(name: string): string {
    return this.#given(name)?.at(-1) ?? '';
  }

  int(name: string): number {
    const last = this.#given(name)?.at(-1);
    return last === undefined ? 0 : Number(last);
  }

  list(name: string): readonly string[] {
    return this.#given(name) ?? [];
  }

  #given(name: string): readonly string[] | undefined {
    this.#spec(name);
    return this.#values.get(name);
  }

  #spec(name: string): FlagSpec {
    const spec = this.#specs.get(name);
    if (spec === undefined) throw new TypeError(`no flag --${name} is defined`);
    return spec;
  }
}
