/**
 * What `dist/dvm.cjs` is: it runs the bundled client with the machine code's blueprint that the build left beside it, which
 * saves the 6 ms that V8 takes to read 130 KB of JavaScript. Another Node than the build's rejects it, and compiles as ever.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { codeCachePath, wrapBundle } from './bundle-files.ts';

const bundlePath = join(import.meta.dirname, 'dvm.bundle.cjs');

function readCodeCache(): Buffer | undefined {
  try {
    return readFileSync(codeCachePath(bundlePath));
  } catch {
    return undefined; // a build that was cut short: slower, and right
  }
}

const cachedData = readCodeCache();
const script = new Script(wrapBundle(readFileSync(bundlePath, 'utf8')), {
  filename: bundlePath,
  ...(cachedData !== undefined && { cachedData }),
});
const run = script.runInThisContext() as (require: NodeJS.Require, exports: object, module: object) => void;
const module = { exports: {} };
run(createRequire(bundlePath), module.exports, module);
