/** dvm tag */
import { parseReference } from '../../oci/reference.ts';
import type { Command } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';
import { repositoryName } from '../registry/repository-name.ts';

export const command: Command = {
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  flags: [],
  args: { min: 2, max: 2 },
  completeArgs: 'image',
  run: async ({ args, client }) => {
    const [source = '', target = ''] = args;
    const reference = parseReference(target);
    if (reference.digest !== undefined)
      throw new ExitError(1, 'refusing to create a tag with a digest reference');
    const query = { repo: repositoryName(reference), tag: reference.tag ?? 'latest' };
    await client.send('POST', `/images/${encodeURIComponent(source)}/tag`, { query });
    return 0;
  },
};
