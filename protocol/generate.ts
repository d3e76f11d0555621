/**
 * Turns definition.ts into the TypeScript and the C side of the guest channel.
 *
 *   node protocol/generate.ts           writes the generated files
 *   node protocol/generate.ts --check   fails when one of them is stale
 *   node protocol/generate.ts --freeze  writes gen-N.json, once, when a generation is released
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emitHeader, emitSource } from './emit-c.ts';
import { emitTypeScript } from './emit-typescript.ts';
import { frozenPath, frozenText } from './freeze.ts';
import { checkDefinition } from './schema.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string =>
  existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '';

function main(mode: string | undefined): number {
  checkDefinition();
  const outputs: readonly (readonly [path: string, text: string])[] = [
    ['src/guest-protocol/generated.ts', emitTypeScript()],
    ['guest/agent/protocol.gen.h', emitHeader()],
    ['guest/agent/protocol.gen.c', emitSource()],
  ];
  const stale = outputs.filter(([path, text]) => read(path) !== text);
  switch (mode) {
    case undefined:
      for (const [path, text] of stale) writeFileSync(join(root, path), text);
      return 0;
    case '--check':
      for (const [path] of stale) console.error(`${path} is stale: run node protocol/generate.ts`);
      return stale.length === 0 ? 0 : 1;
    case '--freeze':
      writeFileSync(join(root, frozenPath), frozenText());
      return 0;
    default:
      console.error(`unknown argument ${mode}: expected --check, --freeze or nothing`);
      return 2;
  }
}

process.exitCode = main(process.argv[2]);
