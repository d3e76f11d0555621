/** Emits src/guest-protocol/generated.ts. */
import { generation, limits, syncMagic } from './definition.ts';
import { allEnums, allFrames, allStructs, smallestSize } from './schema.ts';
import type { Field, FieldType, FrameKind } from './schema.ts';

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const interfaceOf = (frame: string): string => `${upperFirst(frame)}Message`;
const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

function typeOf(type: FieldType): string {
  switch (type.kind) {
    case 'primitive':
      if (type.name === 'bool') return 'boolean';
      return type.name === 'u64' || type.name === 'i64' ? 'bigint' : 'number';
    case 'string':
      return 'string';
    case 'bytes':
    case 'rest':
      return 'Uint8Array';
    case 'enum':
    case 'struct':
      return type.name;
    case 'list':
      return `readonly ${typeOf(type.item)}[]`;
  }
}

function readOf(type: FieldType): string {
  switch (type.kind) {
    case 'primitive':
      return `r.${type.name}()`;
    case 'string':
    case 'bytes':
      return `r.${type.kind}()`;
    case 'rest':
      return 'r.rest(limits.MAX_DATA)';
    case 'enum':
      return `r.name(${lowerFirst(type.name)}Names)`;
    case 'struct':
      return `read${type.name}(r)`;
    case 'list':
      return `r.list(${smallestSize(type.item)}, (r) => ${readOf(type.item)})`;
  }
}

function writeOf(type: FieldType, value: string): string {
  switch (type.kind) {
    case 'primitive':
      return `w.${type.name}(${value})`;
    case 'string':
    case 'bytes':
      return `w.${type.kind}(${value})`;
    case 'rest':
      return `w.rest(${value}, limits.MAX_DATA)`;
    case 'enum':
      return `w.u8(${lowerFirst(type.name)}Values[${value}])`;
    case 'struct':
      return `write${type.name}(w, ${value})`;
    case 'list':
      return `w.list(${value}, (w, item) => ${writeOf(type.item, 'item')})`;
  }
}

const members = (fields: readonly Field[], indent: string): string =>
  fields.map((field) => `${indent}readonly ${field.name}: ${typeOf(field.type)};\n`).join('');

function emitEnums(): string {
  return allEnums
    .map(({ name, values }) => {
      const lower = lowerFirst(name);
      return (
        `export type ${name} = ${values.map(([value]) => `'${value}'`).join(' | ')};\n` +
        `export const ${lower}Values = { ${values.map(([value, n]) => `${value}: ${n}`).join(', ')} } as const;\n` +
        `const ${lower}Names: ReadonlyMap<number, ${name}> = new Map([${values.map(([value, n]) => `[${n}, '${value}']`).join(', ')}]);\n`
      );
    })
    .join('\n');
}

function emitStructs(): string {
  return allStructs
    .map(
      ({ name, fields }) =>
        `export interface ${name} {\n${members(fields, '  ')}}\n` +
        `function read${name}(r: ByteReader): ${name} {\n  return {\n` +
        fields.map((field) => `    ${field.name}: ${readOf(field.type)},\n`).join('') +
        '  };\n}\n' +
        `function write${name}(w: ByteWriter, value: ${name}): void {\n` +
        fields.map((field) => `  ${writeOf(field.type, `value.${field.name}`)};\n`).join('') +
        '}\n',
    )
    .join('\n');
}

function emitFrameTypes(frames: readonly FrameKind[]): string {
  return frames
    .map(
      ({ name, fields }) =>
        `export interface ${interfaceOf(name)} {\n  readonly type: '${name}';\n${members(fields, '  ')}}\n`,
    )
    .join('');
}

function emitSide(side: 'Host' | 'Agent'): string {
  const frames = allFrames.filter((frame) => frame.from === side.toLowerCase());
  const union = `${side}Message`;
  const decode = frames
    .map(({ name, fields, opcode }) => {
      const entries = [`type: '${name}'`, ...fields.map((field) => `${field.name}: ${readOf(field.type)}`)];
      return `    case ${hex(opcode)}: {\n      const r = new ByteReader(payload, '${name}');\n      const message: ${interfaceOf(name)} = { ${entries.join(', ')} };\n      r.end();\n      return message;\n    }\n`;
    })
    .join('');
  const encode = frames
    .map(({ name, fields }) => {
      const writes = fields
        .map((field) => `      ${writeOf(field.type, `message.${field.name}`)};\n`)
        .join('');
      return `    case '${name}':\n${writes}      return;\n`;
    })
    .join('');
  return `${emitFrameTypes(frames)}
/** Everything the ${side.toLowerCase()} says. */
export type ${union} =\n${frames.map(({ name }) => `  | ${interfaceOf(name)}`).join('\n')};

/** Throws an EngineError when \`payload\` is not exactly one message; byte fields are views into it. */
export function decode${union}(opcode: number, payload: Uint8Array): ${union} {
  switch (opcode) {
${decode}    default:
      throw protocolError(\`unknown opcode 0x\${opcode.toString(16)} from the ${side.toLowerCase()}\`);
  }
}

/** Writes the fields, without a frame around them. */
export function encode${union}(w: ByteWriter, message: ${union}): void {
  switch (message.type) {
${encode}  }
}
`;
}

const hex = (opcode: number): string => `0x${opcode.toString(16).padStart(4, '0')}`;

export function emitTypeScript(): string {
  const requests = allFrames.filter((frame) => frame.request);
  return `// Generated by protocol/generate.ts from protocol/definition.ts. Do not edit.
import { ByteReader, protocolError } from './bytes.ts';
import type { ByteWriter } from './bytes.ts';

export const generation = ${generation};

export const limits = {
${Object.entries(limits)
  .map(([name, value]) => `  ${name}: ${value},\n`)
  .join('')}} as const;

/** 16 bytes each, as Latin-1 text. */
export const syncMagic = { host: ${JSON.stringify(syncMagic.host)}, agent: ${JSON.stringify(syncMagic.agent)} } as const;

${emitEnums()}
${emitStructs()}
// --- what the host says
${emitSide('Host')}
// --- what the agent says
${emitSide('Agent')}
/** The opcode of every message. */
export const opcodes = {
${allFrames.map(({ name, opcode }) => `  ${name}: ${hex(opcode)},\n`).join('')}} as const satisfies Record<(HostMessage | AgentMessage)['type'], number>;

/** Each request with its reply. Any of them may be answered by \`ErrorMessage\` instead. */
export interface Requests {
${requests.map(({ name }) => `  readonly ${name}: { readonly request: ${interfaceOf(name)}; readonly reply: ${interfaceOf(`${name}Reply`)} };\n`).join('')}}
export type RequestType = keyof Requests;
export type RequestMessage = Requests[RequestType]['request'];
export type ReplyMessage = Requests[RequestType]['reply'];

/** The type of the reply to each request. */
export const replyTypes = {
${requests.map(({ name }) => `  ${name}: '${name}Reply',\n`).join('')}} as const satisfies { [T in RequestType]: Requests[T]['reply']['type'] };
`;
}
