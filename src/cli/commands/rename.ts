/** dvm rename */
import type { Command } from '../arguments/command.ts';

export const command: Command = {
  usage: 'CONTAINER NEW_NAME',
  flags: [],
  args: { min: 2, max: 2 },
  completeArgs: 'container',
  run: async ({ args, client }) => {
    const [container = '', name = ''] = args;
    await client.send('POST', `/containers/${encodeURIComponent(container)}/rename`, { query: { name } });
    return 0;
  },
};
