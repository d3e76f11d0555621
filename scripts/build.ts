/** Bundles the two programs into dist/: `node scripts/build.ts`. Both run without node_modules then. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { buildClient } from './build-client.ts';

const root = join(import.meta.dirname, '..');

await buildClient(join(root, 'dist'));
await build({
  absWorkingDir: root,
  entryPoints: ['src/daemon/main.ts'],
  outfile: 'dist/dvmd.js',
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'esm',
  legalComments: 'none',
  // The text stays in memory. Names stay as they are, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: 'warning',
  // Some of what it uses is CommonJS and asks for `require`.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});
