/** Cuts a Go template into text and, inside {{ }}, into tokens (text/template's lexical rules, as far as `--format` goes). */
import { TemplateError } from './template-error.ts';

export type Token =
  | {
      readonly kind: 'field';
      readonly name: string;
      /** Glued to what stands before it: `$x.A`, `(…).A`, `.A.B`. */ readonly chained: boolean;
    }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'word'; readonly name: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'dot' }
  | { readonly kind: 'symbol'; readonly symbol: '|' | '(' | ')' | ':=' | '=' | ',' };

export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly tokens: readonly Token[] };

const maxTemplateLength = 1 << 20;

/** Trim markers and comments are gone from the result. */
export function cutTemplate(source: string): readonly Piece[] {
  if (source.length > maxTemplateLength) throw new TemplateError('the template is longer than 1 MiB');
  const pieces: Piece[] = [];
  let trimNext = false;
  for (let at = 0; at < source.length;) {
    const open = source.indexOf('{{', at);
    let text = open < 0 ? source.slice(at) : source.slice(at, open);
    if (trimNext) text = text.trimStart();
    if (open < 0) {
      if (text !== '') pieces.push({ kind: 'text', text });
      break;
    }
    const trimsBefore = /^\{\{-\s/.test(source.slice(open, open + 4));
    if (trimsBefore) text = text.trimEnd();
    if (text !== '') pieces.push({ kind: 'text', text });
    const start = open + (trimsBefore ? 3 : 2);
    const { tokens, end, trimsAfter } = lexAction(source, start);
    if (tokens.length > 0) pieces.push({ kind: 'action', tokens });
    trimNext = trimsAfter;
    at = end;
  }
  return pieces;
}

interface LexedAction {
  readonly tokens: readonly Token[];
  readonly end: number;
  readonly trimsAfter: boolean;
}

const comment = /\s*\/\*[^]*?\*\//y;
const closing = /\s+-\}\}|\s*\}\}/y;
const space = /\s+/y;
const rules: readonly {
  readonly pattern: RegExp;
  readonly make: (match: RegExpExecArray, glued: boolean) => Token;
}[] = [
  {
    pattern: /\.([A-Za-z_\p{L}][\w\p{L}]*)/uy,
    make: (match, glued) => ({ kind: 'field', name: match[1] ?? '', chained: glued }),
  },
  { pattern: /\$([\w\p{L}]*)/uy, make: (match) => ({ kind: 'variable', name: match[1] ?? '' }) },
  {
    pattern: /[+-]?(?:0x[0-9a-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y,
    make: (match) => ({ kind: 'number', value: Number(match[0].replaceAll('_', '')) }),
  },
  { pattern: /"(?:[^"\\\n]|\\.)*"/y, make: (match) => ({ kind: 'string', value: unquote(match[0]) }) },
  { pattern: /`([^`]*)`/y, make: (match) => ({ kind: 'string', value: match[1] ?? '' }) },
  {
    pattern: /'(?:[^'\\\n]|\\.)'/uy,
    make: (match) => ({ kind: 'number', value: unquote(`"${match[0].slice(1, -1)}"`).codePointAt(0) ?? 0 }),
  },
  {
    pattern: /:=|[|(),=]/y,
    make: (match) => ({ kind: 'symbol', symbol: match[0] as '|' | '(' | ')' | ':=' | '=' | ',' }),
  },
  { pattern: /[A-Za-z_\p{L}][\w\p{L}]*/uy, make: (match) => ({ kind: 'word', name: match[0] }) },
  { pattern: /\./y, make: () => ({ kind: 'dot' }) },
];

function lexAction(source: string, start: number): LexedAction {
  comment.lastIndex = start;
  const commented = comment.exec(source);
  const tokens: Token[] = [];
  for (let at = commented === null ? start : comment.lastIndex, glued = false; ;) {
    closing.lastIndex = at;
    const closed = closing.exec(source);
    if (closed !== null) {
      return { tokens, end: closing.lastIndex, trimsAfter: closed[0].includes('-') };
    }
    space.lastIndex = at;
    if (space.test(source)) {
      at = space.lastIndex;
      glued = false;
      continue;
    }
    const lexed = lexToken(source, at, glued);
    tokens.push(lexed.token);
    at = lexed.end;
    glued = true;
  }
}

function lexToken(
  source: string,
  at: number,
  glued: boolean,
): { readonly token: Token; readonly end: number } {
  for (const { pattern, make } of rules) {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match !== null) return { token: make(match, glued), end: pattern.lastIndex };
  }
  if (at >= source.length) throw new TemplateError('unclosed action');
  const bad = source.slice(at, at + 1);
  throw new TemplateError(
    bad === '"' || bad === '`' ? 'unterminated quoted string' : `unexpected "${bad}" in operand`,
  );
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

function unquote(quoted: string): string {
  const pattern = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/g;
  return quoted
    .slice(1, -1)
    .replace(
      pattern,
      (whole: string, hex?: string, short?: string, long?: string, octal?: string, other?: string) => {
        const code = hex ?? short ?? long;
        if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
        if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
        const known = escapes[other ?? ''];
        if (known === undefined) throw new TemplateError(`bad escape ${whole} in a string`);
        return known;
      },
    );
}
