/** What `stop` and `restart` take. */
import type { Query } from '../../client/daemon-client.ts';
import type { FlagSpec } from '../arguments/command.ts';
import type { FlagValues } from '../arguments/flag-values.ts';
import { UsageError } from '../arguments/usage-error.ts';

export const stopFlags: readonly FlagSpec[] = [
  { name: 'signal', short: 's', kind: 'string', help: 'Signal to send to the container' },
  { name: 'timeout', short: 't', kind: 'int', help: 'Seconds to wait before killing the container' },
  { name: 'time', kind: 'int', help: 'Seconds to wait before killing the container', hidden: true },
];

export function stopQuery(flags: FlagValues): Query {
  if (flags.isSet('time') && flags.isSet('timeout')) {
    throw new UsageError('conflicting options: cannot specify both --timeout and --time');
  }
  const seconds = flags.isSet('timeout')
    ? flags.int('timeout')
    : flags.isSet('time')
      ? flags.int('time')
      : undefined;
  return { signal: flags.string('signal') || undefined, t: seconds };
}
