/** dvm __complete containers|running-containers|images: what the shells' completion asks. It starts no daemon and never complains. */
import type { ContainerSummary, ImageSummary } from '../../client/api-types.ts';
import { DaemonClient } from '../../client/daemon-client.ts';
import type { Command } from '../arguments/command.ts';

export const command: Command = {
  usage: 'containers|running-containers|images',
  flags: [],
  args: { min: 1, max: 1 },
  run: async ({ args, client, out }) => {
    const quiet = new DaemonClient(client.endpoint);
    try {
      const names =
        args[0] === 'images'
          ? await imageNames(quiet)
          : await containerNames(quiet, args[0] === 'containers');
      if (names.length > 0) await out.line(names.join('\n'));
    } catch {
      return 0; // nothing to offer
    } finally {
      quiet.close();
    }
    return 0;
  },
};

async function containerNames(client: DaemonClient, all: boolean): Promise<readonly string[]> {
  const containers = await client.json<readonly ContainerSummary[]>('GET', '/containers/json', {
    query: { all },
  });
  return containers.flatMap(({ Names }) => Names.map((name) => name.replace(/^\//, '')));
}

async function imageNames(client: DaemonClient): Promise<readonly string[]> {
  const images = await client.json<readonly ImageSummary[]>('GET', '/images/json');
  return images.flatMap(({ RepoTags }) => RepoTags).filter((name) => name !== '<none>:<none>');
}
