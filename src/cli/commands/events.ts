/** dvm events */
import type { EventMessage } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';
import { filterFlag, filtersQuery } from '../arguments/filters.ts';
import { apiTimestamp } from '../arguments/timestamp.ts';
import { objectFormatter } from '../output/format-object.ts';
import { localRfc3339 } from '../output/human-units.ts';

export const command: Command = {
  usage: '[OPTIONS]',
  flags: [
    filterFlag,
    {
      name: 'format',
      kind: 'string',
      help: "Format output using a custom template: 'json' or a Go template",
    },
    { name: 'since', kind: 'string', help: 'Show all events created since timestamp' },
    { name: 'until', kind: 'string', help: 'Stream events until this timestamp' },
  ],
  args: { min: 0, max: 0 },
  run: async ({ flags, client, out }) => {
    const when = (flag: string) =>
      flags.isSet(flag) ? apiTimestamp(flags.string(flag), `"${flag}"`, Date.now()) : undefined;
    const query = { since: when('since'), until: when('until'), filters: filtersQuery(flags.list('filter')) };
    const format = flags.string('format');
    const show: (event: EventMessage) => string = format === '' ? eventLine : objectFormatter(format);
    for await (const event of client.jsonLines<EventMessage>('GET', '/events', { query })) {
      await out.line(show(event));
    }
    return 0;
  },
};

/** 2025-11-21T01:13:02.123456789Z container start <id> (image=busybox, name=x) */
function eventLine({ Type, Action, Actor, time, timeNano }: EventMessage): string {
  const rfc = localRfc3339(time);
  const nanoseconds = String(timeNano).slice(-9);
  const stamp = rfc.replace(/(?=Z$|[+-]\d\d:\d\d$)/, `.${nanoseconds}`);
  const attributes = Object.entries(Actor.Attributes)
    .map(([key, value]) => `${key}=${value}`)
    .toSorted();
  return `${stamp} ${Type} ${Action} ${Actor.ID}${attributes.length > 0 ? ` (${attributes.join(', ')})` : ''}`;
}
