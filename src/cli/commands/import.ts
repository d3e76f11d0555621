/** dvm import */
import type { ProgressMessage } from '../../client/api-types.ts';
import { parseReference } from '../../oci/reference.ts';
import type { Command } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';
import { showProgress } from '../output/progress.ts';
import { readArchive } from './read-archive.ts';

export const command: Command = {
  usage: '[OPTIONS] file|- [REPOSITORY[:TAG]]',
  flags: [
    { name: 'change', short: 'c', kind: 'list', help: 'Apply Dockerfile instruction to the created image' },
    { name: 'message', short: 'm', kind: 'string', help: 'Set commit message for imported image' },
    { name: 'platform', kind: 'string', help: 'Set platform if server is multi-platform capable' },
  ],
  args: { min: 1, max: 2 },
  completeArgs: 'file',
  run: async ({ args, flags, client, out }) => {
    const [source = '', target] = args;
    if (/^https?:\/\//.test(source)) {
      throw new ExitError(
        1,
        `import from ${source}: URLs are not supported; download it and import the file`,
      );
    }
    if (target !== undefined) parseReference(target); // before the archive is sent
    const body = readArchive(source);
    const query = new URLSearchParams({ fromSrc: '-' });
    if (target !== undefined) query.set('repo', target);
    if (flags.isSet('message')) query.set('message', flags.string('message'));
    if (flags.isSet('platform')) query.set('platform', flags.string('platform'));
    for (const change of flags.list('change')) query.append('changes', change);
    const messages = client.jsonLines<ProgressMessage>('POST', `/images/create?${query.toString()}`, {
      body,
    });
    await showProgress(messages, out);
    return 0;
  },
};
