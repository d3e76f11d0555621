/** dvm top */
import type { ContainerTopResponse } from '../../client/api-types.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { alignColumns } from '../output/columns.ts';

export const command: Command = {
  usage: 'CONTAINER [ps OPTIONS]',
  flags: [],
  args: { min: 1, max: anyNumber },
  completeArgs: 'running-container',
  stopAtFirstArgument: true,
  run: async ({ args, client, out }) => {
    const [name = '', ...psArgs] = args;
    const query = { ps_args: psArgs.join(' ') || undefined };
    const top = await client.json<ContainerTopResponse>(
      'GET',
      `/containers/${encodeURIComponent(name)}/top`,
      { query },
    );
    await out.write(alignColumns([top.Titles, ...top.Processes], 20));
    return 0;
  },
};
