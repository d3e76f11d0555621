/** The client as files that need no node_modules: a bundle, V8's compiled form of it, and what loads both. */
import { join } from 'node:path';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import { writeCodeCache } from './code-cache.ts';

/**
 * CommonJS: importing one of Node's modules from an ES module evaluates all of its exports, which made `node:http` alone cost
 * 40 ms; `require` does not.
 */
const options: BuildOptions = {
  absWorkingDir: join(import.meta.dirname, '..'),
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'cjs',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
  define: { 'import.meta.dirname': '__dirname' },
};

/** Writes dvm.cjs, dvm.bundle.cjs and its code cache. */
export async function buildClient(directory: string): Promise<void> {
  const bundlePath = join(directory, 'dvm.bundle.cjs');
  await build({ ...options, entryPoints: ['src/cli/main.ts'], outfile: bundlePath });
  await build({ ...options, entryPoints: ['src/cli/load-bundle.ts'], outfile: join(directory, 'dvm.cjs') });
  await writeCodeCache(bundlePath);
}
