/** Runs a parsed template over a value. */
import { templateFunctions } from './functions.ts';
import type { TemplateFunction } from './functions.ts';
import type { Template } from './parser.ts';
import type { Call, Node, Operand, Pipeline } from './syntax.ts';
import { TemplateError } from './template-error.ts';
import { isFields, isTrue, noValue, printValue } from './values.ts';

export interface EvaluateOptions {
  readonly functions?: Readonly<Record<string, TemplateFunction>>;
  /** Fields that hold maps: a key they lack is <no value> and no mistake. */
  readonly maps?: ReadonlySet<string>;
  /** Fields that may be left out: they are nil then. */
  readonly optional?: ReadonlySet<string>;
  /** `.ID` finds Id: docker's templates see Go's names, which are the JSON's but for their case. */
  readonly ignoreCase?: boolean;
}

/** Throws TemplateError. */
export function evaluate(template: Template, data: unknown, options: EvaluateOptions = {}): string {
  const evaluator = new Evaluator(data, options);
  evaluator.run(template.nodes, data, new Scope(undefined));
  return evaluator.output;
}

class Scope {
  readonly #parent: Scope | undefined;
  readonly #values = new Map<string, unknown>();

  constructor(parent: Scope | undefined) {
    this.#parent = parent;
  }

  declare(name: string, value: unknown): void {
    this.#values.set(name, value);
  }

  assign(name: string, value: unknown): void {
    if (this.#values.has(name)) this.#values.set(name, value);
    else if (this.#parent === undefined) throw new TemplateError(`undefined variable "$${name}"`);
    else this.#parent.assign(name, value);
  }

  get(name: string): unknown {
    if (this.#values.has(name)) return this.#values.get(name);
    if (this.#parent === undefined) throw new TemplateError(`undefined variable "$${name}"`);
    return this.#parent.get(name);
  }
}

type Flow = 'next' | 'break' | 'continue';

class Evaluator {
  output = '';
  readonly #root: unknown;
  readonly #options: EvaluateOptions;
  readonly #functions: Readonly<Record<string, TemplateFunction>>;

  constructor(root: unknown, options: EvaluateOptions) {
    this.#root = root;
    this.#options = options;
    this.#functions = options.functions ?? templateFunctions;
  }

  run(nodes: readonly Node[], dot: unknown, scope: Scope): Flow {
    for (const node of nodes) {
      const flow = this.#node(node, dot, scope);
      if (flow !== 'next') return flow;
    }
    return 'next';
  }

  #node(node: Node, dot: unknown, scope: Scope): Flow {
    switch (node.kind) {
      case 'text':
        this.output += node.text;
        return 'next';
      case 'output': {
        const value = this.#pipeline(node.pipeline, dot, scope);
        if (node.pipeline.variables.length === 0) this.output += printValue(value);
        return 'next';
      }
      case 'break':
      case 'continue':
        return node.kind;
      case 'range':
        return this.#range(node, dot, new Scope(scope));
      case 'if':
      case 'with': {
        const inner = new Scope(scope);
        const value = this.#pipeline(node.pipeline, dot, inner);
        if (isTrue(value)) return this.run(node.body, node.kind === 'with' ? value : dot, inner);
        return this.run(node.otherwise, dot, inner);
      }
    }
  }

  #range(node: Extract<Node, { kind: 'if' | 'with' | 'range' }>, dot: unknown, scope: Scope): Flow {
    const collection = this.#calls(node.pipeline.calls, dot, scope);
    const entries = entriesOf(collection);
    for (const [key, value] of entries) {
      const inner = new Scope(scope);
      const [first, second] = node.pipeline.variables;
      if (second !== undefined) inner.declare(second, value);
      if (first !== undefined) inner.declare(first, second === undefined ? value : key);
      if (this.run(node.body, value, inner) === 'break') break;
    }
    return entries.length === 0 ? this.run(node.otherwise, dot, scope) : 'next';
  }

  #pipeline(pipeline: Pipeline, dot: unknown, scope: Scope): unknown {
    const value = this.#calls(pipeline.calls, dot, scope);
    for (const name of pipeline.variables) {
      if (pipeline.declares) scope.declare(name, value);
      else scope.assign(name, value);
    }
    return value;
  }

  #calls(calls: readonly Call[], dot: unknown, scope: Scope): unknown {
    let value: unknown;
    for (const [at, call] of calls.entries()) value = this.#call(call, dot, scope, at === 0 ? [] : [value]);
    return value;
  }

  #call({ operand, args }: Call, dot: unknown, scope: Scope, piped: readonly unknown[]): unknown {
    if (operand.kind === 'function' && (operand.name === 'and' || operand.name === 'or')) {
      return this.#shortCircuit(operand.name === 'or', args, dot, scope, piped);
    }
    const values = [...args.map((arg) => this.#operand(arg, dot, scope, [])), ...piped];
    return this.#operand(operand, dot, scope, values);
  }

  /** `and` and `or` look no further than they must: `and .State.Health (eq .State.Health.Status "healthy")`. */
  #shortCircuit(
    stopsAt: boolean,
    args: readonly Operand[],
    dot: unknown,
    scope: Scope,
    piped: readonly unknown[],
  ): unknown {
    let value: unknown = null;
    for (const arg of args) {
      value = this.#operand(arg, dot, scope, []);
      if (isTrue(value) === stopsAt) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #operand(operand: Operand, dot: unknown, scope: Scope, args: readonly unknown[]): unknown {
    switch (operand.kind) {
      case 'function': {
        const called = this.#functions[operand.name];
        if (called === undefined) throw new TemplateError(`function "${operand.name}" not defined`);
        return called(...args);
      }
      case 'field':
        return this.#path(dot, operand.path, args);
      case 'variable': {
        const value = operand.name === '' ? this.#root : scope.get(operand.name);
        return this.#path(value, operand.path, args);
      }
      case 'nested':
        return this.#path(this.#pipeline(operand.pipeline, dot, scope), operand.path, args);
      case 'dot':
        return withoutArguments(dot, args, '.');
      case 'nil':
        return withoutArguments(null, args, 'nil');
      case 'literal':
        return withoutArguments(operand.value, args, String(operand.value));
    }
  }

  #path(start: unknown, path: readonly string[], args: readonly unknown[]): unknown {
    let value = start;
    for (const [at, name] of path.entries()) {
      const found = this.#field(value, name, path[at - 1]);
      const own = at === path.length - 1 ? args : [];
      value =
        typeof found === 'function'
          ? (found as TemplateFunction)(...own)
          : withoutArguments(found, own, `.${name}`);
    }
    return path.length === 0 ? withoutArguments(value, args, 'a value') : value;
  }

  #field(value: unknown, name: string, parent: string | undefined): unknown {
    if (value === null || value === undefined) {
      throw new TemplateError(`executing "" at <.${name}>: nil pointer evaluating .${name}`);
    }
    if (isFields(value)) {
      if (Object.hasOwn(value, name)) return value[name];
      const alike = this.#options.ignoreCase === true ? keyLike(value, name) : undefined;
      if (alike !== undefined) return value[alike];
      if (parent !== undefined && this.#options.maps?.has(parent) === true) return noValue;
      if (this.#options.optional?.has(name) === true) return null;
      throw new TemplateError(`executing "" at <.${name}>: map has no entry for key "${name}"`);
    }
    if (value === noValue) return noValue;
    throw new TemplateError(
      `executing "" at <.${name}>: can't evaluate field ${name} in type ${typeof value}`,
    );
  }
}

function withoutArguments(value: unknown, args: readonly unknown[], shown: string): unknown {
  if (args.length > 0) throw new TemplateError(`can't give argument to non-function ${shown}`);
  return value;
}

function entriesOf(collection: unknown): readonly (readonly [unknown, unknown])[] {
  if (collection === null || collection === undefined || collection === noValue) return [];
  if (Array.isArray(collection)) return [...collection.entries()] as [number, unknown][];
  if (typeof collection === 'number')
    return Array.from({ length: Math.min(collection, 1e6) }, (_, at) => [at, at]);
  if (isFields(collection)) return Object.entries(collection).toSorted(([a], [b]) => (a < b ? -1 : 1));
  throw new TemplateError(`range can't iterate over ${printValue(collection)}`);
}

function keyLike(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  return Object.keys(fields).find((key) => key.toLowerCase() === name.toLowerCase());
}
