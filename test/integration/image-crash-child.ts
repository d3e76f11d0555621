/** Pulls, loads, holds and removes without an end, and says each step: somebody is going to kill it. */
import { Readable } from 'node:stream';
import { openImageStore } from '../../src/image/image-store.ts';
import { dockerArchive, tarOf } from '../e2e/crafted-image.ts';

const [dataDir = '', reference = ''] = process.argv.slice(2);
await using store = openImageStore({
  dataDir,
  registries: { mirrors: {}, insecure: [] },
  hostPlatform: 'linux/amd64',
});
const say = (what: string) => process.stdout.write(`${what}\n`);
const forever = new AbortController().signal;
const archive = dockerArchive(
  { layers: [tarOf([{ name: 'loaded', content: 'x'.repeat(100_000) }])] },
  'loaded:1',
);
for (;;) {
  await store.reconcile(new Set(['kept']));
  say('reconciled');
  const [image] = await store.pull({ reference }, ({ status }) => say(status), forever);
  say('pulled');
  await store.load(Readable.from([archive]), ({ status }) => say(status), forever);
  say('loaded');
  if (image !== undefined) store.hold('gone', image.id);
  say('held');
  await store.remove('loaded:1', { force: true, prune: true, inUse: () => undefined });
  await store.remove(reference, { force: true, prune: true, inUse: () => undefined });
  say('removed');
  await store.release('gone');
  say('released');
}
