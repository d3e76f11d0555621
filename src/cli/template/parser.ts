/** From tokens to a tree. */
import { cutTemplate } from './lexer.ts';
import type { Piece, Token } from './lexer.ts';
import type { Call, Node, Operand, Pipeline } from './syntax.ts';
import { TemplateError } from './template-error.ts';

export interface Template {
  readonly nodes: readonly Node[];
}

const blocks = new Set(['if', 'with', 'range']);
const unsupported = new Set(['define', 'template', 'block']);

/** Throws TemplateError; `functions` are the names that may be called. */
export function parseTemplate(source: string, functions: ReadonlySet<string>): Template {
  const parser = new TemplateParser(cutTemplate(source), functions);
  return { nodes: parser.parseAll() };
}

class TemplateParser {
  readonly #pieces: readonly Piece[];
  readonly #functions: ReadonlySet<string>;
  #at = 0;

  constructor(pieces: readonly Piece[], functions: ReadonlySet<string>) {
    this.#pieces = pieces;
    this.#functions = functions;
  }

  parseAll(): readonly Node[] {
    const { nodes, ending } = this.#nodes();
    if (ending !== undefined) throw new TemplateError(`unexpected {{${ending.keyword}}}`);
    return nodes;
  }

  /** Nodes up to an `end` or `else` that is not theirs. */
  #nodes(): { readonly nodes: readonly Node[]; readonly ending: Ending | undefined } {
    const nodes: Node[] = [];
    for (let piece = this.#pieces[this.#at++]; piece !== undefined; piece = this.#pieces[this.#at++]) {
      if (piece.kind === 'text') {
        nodes.push(piece);
        continue;
      }
      const [first] = piece.tokens;
      const keyword = first?.kind === 'word' ? first.name : '';
      const rest = piece.tokens.slice(1);
      if (keyword === 'end' || keyword === 'else') return { nodes, ending: { keyword, rest } };
      if (unsupported.has(keyword)) throw new TemplateError(`{{${keyword}}} is not supported`);
      if (blocks.has(keyword)) nodes.push(this.#block(keyword as 'if' | 'with' | 'range', rest));
      else if (keyword === 'break' || keyword === 'continue') nodes.push({ kind: keyword });
      else nodes.push({ kind: 'output', pipeline: this.#pipeline(piece.tokens) });
    }
    return { nodes, ending: undefined };
  }

  #block(kind: 'if' | 'with' | 'range', tokens: readonly Token[]): Node {
    if (tokens.length === 0) throw new TemplateError(`missing value for ${kind}`);
    const pipeline = this.#pipeline(tokens);
    const { nodes: body, ending } = this.#nodes();
    if (ending === undefined) throw new TemplateError('unexpected EOF');
    if (ending.keyword === 'end') return { kind, pipeline, body, otherwise: [] };
    const [next] = ending.rest;
    if (next?.kind === 'word' && (next.name === 'if' || next.name === 'with')) {
      return { kind, pipeline, body, otherwise: [this.#block(next.name, ending.rest.slice(1))] };
    }
    const otherwise = this.#nodes();
    if (otherwise.ending?.keyword !== 'end') throw new TemplateError('unexpected EOF');
    return { kind, pipeline, body, otherwise: otherwise.nodes };
  }

  #pipeline(tokens: readonly Token[]): Pipeline {
    return new PipelineParser(tokens, this.#functions).parse();
  }
}

interface Ending {
  readonly keyword: 'end' | 'else';
  readonly rest: readonly Token[];
}

class PipelineParser {
  readonly #tokens: readonly Token[];
  readonly #functions: ReadonlySet<string>;
  #at = 0;

  constructor(tokens: readonly Token[], functions: ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#functions = functions;
  }

  parse(): Pipeline {
    const pipeline = this.#pipeline();
    if (this.#at < this.#tokens.length) throw new TemplateError('unexpected ")"');
    return pipeline;
  }

  #pipeline(): Pipeline {
    const { variables, declares } = this.#declaration();
    const calls = [this.#call()];
    while (this.#takeSymbol('|')) calls.push(this.#call());
    return { variables, declares, calls };
  }

  #declaration(): { readonly variables: readonly string[]; readonly declares: boolean } {
    const start = this.#at;
    const variables: string[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token?.kind !== 'variable') break;
      variables.push(token.name);
      this.#at += 1;
      if (this.#takeSymbol(',')) continue;
      if (this.#takeSymbol(':=')) return { variables, declares: true };
      if (this.#takeSymbol('=')) return { variables, declares: false };
      break;
    }
    this.#at = start;
    return { variables: [], declares: false };
  }

  #call(): Call {
    const operand = this.#operand();
    if (operand === undefined) throw new TemplateError('missing value for command');
    const args: Operand[] = [];
    for (let arg = this.#operand(); arg !== undefined; arg = this.#operand()) args.push(arg);
    return { operand, args };
  }

  #operand(): Operand | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined) return undefined;
    if (token.kind === 'symbol') {
      if (token.symbol !== '(') return undefined;
      this.#at += 1;
      const pipeline = this.#pipeline();
      if (!this.#takeSymbol(')')) throw new TemplateError('unclosed left paren');
      return { kind: 'nested', pipeline, path: this.#chain() };
    }
    this.#at += 1;
    switch (token.kind) {
      case 'dot':
        return { kind: 'dot' };
      case 'field':
        return { kind: 'field', path: [token.name, ...this.#chain()] };
      case 'variable':
        return { kind: 'variable', name: token.name, path: this.#chain() };
      case 'string':
      case 'number':
        return { kind: 'literal', value: token.value };
      case 'word':
        return this.#word(token.name);
    }
  }

  #word(name: string): Operand {
    if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true' };
    if (name === 'nil') return { kind: 'nil' };
    if (!this.#functions.has(name)) throw new TemplateError(`function "${name}" not defined`);
    return { kind: 'function', name };
  }

  #chain(): readonly string[] {
    const path: string[] = [];
    for (
      let token = this.#tokens[this.#at];
      token?.kind === 'field' && token.chained;
      token = this.#tokens[this.#at]
    ) {
      path.push(token.name);
      this.#at += 1;
    }
    return path;
  }

  #takeSymbol(symbol: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'symbol' || token.symbol !== symbol) return false;
    this.#at += 1;
    return true;
  }
}
