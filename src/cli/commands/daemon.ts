/** dvm daemon: starts the daemon where none answers, which every other verb does by itself. */
import type { DvmInfo } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';

export const command: Command = {
  usage: '',
  flags: [],
  args: { min: 0, max: 0 },
  run: async ({ client, out }) => {
    const info = await client.json<DvmInfo>('GET', '/dvm/v1/info');
    await out.line(`dvmd ${info.version} runs as process ${info.pid} and listens on ${info.socket}`);
    return 0;
  },
};
