/** Bundles the two programs into dist/: `node scripts/build.ts`. Both run without node_modules then. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import { writeCodeCache } from './code-cache.ts';

const root = new URL('..', import.meta.url).pathname;

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node26',
  legalComments: 'none',
  logLevel: 'warning',
};

/**
 * CommonJS: importing one of Node's modules from an ES module evaluates all of its exports, which made `node:http` alone cost
 * 40 ms; `require` does not.
 */
const client: BuildOptions = {
  ...common,
  format: 'cjs',
  minify: true,
  define: { 'import.meta.dirname': '__dirname' },
};
const bundlePath = `${root}dist/dvm.bundle.cjs`;

/** Some of what it uses is CommonJS and asks for `require`. */
const daemon: BuildOptions = {
  ...common,
  entryPoints: ['src/daemon/main.ts'],
  outfile: 'dist/dvmd.js',
  format: 'esm',
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
};

await mkdir(`${root}dist`, { recursive: true });
await build({ ...client, entryPoints: ['src/cli/main.ts'], outfile: bundlePath });
await build({ ...client, entryPoints: ['src/cli/load-bundle.ts'], outfile: 'dist/dvm.cjs' });
await writeCodeCache(bundlePath);
if (existsSync(`${root}src/daemon/main.ts`)) await build(daemon);
else await rm(`${root}dist/dvmd.js`, { force: true });
