/** dvm load */
import type { ProgressMessage } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { showProgress } from '../output/progress.ts';
import { readArchive } from './read-archive.ts';

export const command: Command = {
  usage: '[OPTIONS]',
  flags: [
    {
      name: 'input',
      short: 'i',
      kind: 'string',
      help: 'Read from tar archive file, instead of STDIN',
      complete: 'file',
    },
    { name: 'quiet', short: 'q', kind: 'bool', help: 'Suppress the load output' },
  ],
  args: { min: 0, max: 0 },
  unsupported: ['platform'],
  run: async ({ flags, client, out }) => {
    const body = readArchive(flags.string('input'));
    const query = { quiet: flags.bool('quiet') || !out.isTerminal };
    await showProgress(client.jsonLines<ProgressMessage>('POST', '/images/load', { query, body }), out);
    return 0;
  },
};
