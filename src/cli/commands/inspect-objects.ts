/** What the inspect verbs share: every name is looked for, what was found is shown, what was not is said at the end. */
import { ApiError } from '../../client/api-error.ts';
import type { DaemonClient } from '../../client/daemon-client.ts';
import type { CommandContext } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';
import { describeError } from '../output/error-text.ts';
import { objectFormatter } from '../output/format-object.ts';

export type Fetch = (name: string) => Promise<unknown>;

export function fetchContainer(client: DaemonClient, size: boolean): Fetch {
  const query = { size: size || undefined };
  return (name) => client.json<unknown>('GET', `/containers/${encodeURIComponent(name)}/json`, { query });
}

export function fetchImage(client: DaemonClient): Fetch {
  return (name) => client.json<unknown>('GET', `/images/${encodeURIComponent(name)}/json`);
}

/** The first that knows the name. */
export function firstFound(fetches: readonly Fetch[]): Fetch {
  return async (name) => {
    for (const fetch of fetches) {
      try {
        return await fetch(name);
      } catch (error) {
        const elsewhere =
          error instanceof ApiError &&
          (error.status === 404 || error.message.includes('invalid reference format'));
        if (!elsewhere) throw error;
      }
    }
    throw new ExitError(1, `error: no such object: ${name}`);
  };
}

export async function inspectAll({ args, flags, out }: CommandContext, fetch: Fetch): Promise<number> {
  const format = flags.string('format');
  const show = format === '' || format === 'json' ? undefined : objectFormatter(format);
  const found: unknown[] = [];
  const lines: string[] = [];
  const failures: string[] = [];
  for (const name of args) {
    try {
      const object = await fetch(name);
      if (show === undefined) found.push(object);
      else lines.push(show(object));
    } catch (error) {
      failures.push(describeError(error));
    }
  }
  if (show !== undefined)
    await out.write(lines.length === 0 ? '\n' : lines.map((line) => `${line}\n`).join(''));
  else await out.line(format === 'json' ? JSON.stringify(found) : JSON.stringify(found, undefined, 4));
  if (failures.length > 0) throw new ExitError(1, failures.join('\n'));
  return 0;
}
