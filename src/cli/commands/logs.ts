/** dvm logs */
import type { ContainerInspect } from '../../client/api-types.ts';
import { FrameDecoder } from '../../client/stream-frames.ts';
import type { Command } from '../arguments/command.ts';
import { apiTimestamp } from '../arguments/timestamp.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER',
  flags: [
    { name: 'follow', short: 'f', kind: 'bool', help: 'Follow log output' },
    {
      name: 'since',
      kind: 'string',
      help: 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
    {
      name: 'tail',
      short: 'n',
      kind: 'string',
      default: 'all',
      help: 'Number of lines to show from the end of the logs',
    },
    { name: 'timestamps', short: 't', kind: 'bool', help: 'Show timestamps' },
    {
      name: 'until',
      kind: 'string',
      help: 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
  ],
  args: { min: 1, max: 1 },
  completeArgs: 'container',
  unsupported: ['details'],
  run: async ({ args, client, flags, out, err }) => {
    const [name = ''] = args;
    const path = `/containers/${encodeURIComponent(name)}`;
    const when = (flag: string) =>
      flags.isSet(flag) ? apiTimestamp(flags.string(flag), `"${flag}"`, Date.now()) : undefined;
    const query = {
      stdout: true,
      stderr: true,
      since: when('since'),
      until: when('until'),
      timestamps: flags.bool('timestamps') || undefined,
      follow: flags.bool('follow') || undefined,
      tail: flags.string('tail') || 'all',
    };
    const container = await client.json<ContainerInspect>('GET', `${path}/json`);
    const response = await client.call('GET', `/containers/${container.Id}/logs`, { query });
    const decoder = new FrameDecoder();
    for await (const chunk of response.body) {
      if (container.Config.Tty === true) await out.write(chunk);
      else
        for (const { stream, data } of decoder.decode(chunk))
          await (stream === 'stderr' ? err : out).write(data);
    }
    decoder.end();
    return 0;
  },
};
