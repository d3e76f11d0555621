/** dvm pull */
import { canonicalString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { Command } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';
import { discardProgress, showProgress } from '../output/progress.ts';
import { pullImage } from '../registry/pull-image.ts';

export const command: Command = {
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  flags: [
    { name: 'all-tags', short: 'a', kind: 'bool', help: 'Download all tagged images in the repository' },
    { name: 'platform', kind: 'string', help: 'Set platform if server is multi-platform capable' },
    { name: 'quiet', short: 'q', kind: 'bool', help: 'Suppress verbose output' },
  ],
  args: { min: 1, max: 1 },
  completeArgs: 'image',
  unsupported: ['disable-content-trust'],
  run: async ({ args, flags, client, out, env }) => {
    const [name = ''] = args;
    const reference = parseReference(name);
    const allTags = flags.bool('all-tags');
    const quiet = flags.bool('quiet');
    if (allTags && (reference.tag !== undefined || reference.digest !== undefined)) {
      throw new ExitError(1, "tag can't be used with --all-tags/-a");
    }
    if (!allTags && !quiet && reference.tag === undefined && reference.digest === undefined) {
      await out.line('Using default tag: latest');
    }
    const messages = pullImage(client, name, { platform: flags.string('platform'), allTags, env });
    await (quiet ? discardProgress(messages) : showProgress(messages, out));
    await out.line(canonicalString(allTags ? reference : withDefaultTag(reference)));
    return 0;
  },
};
