/** dvm update */
import type { ContainerUpdateRequest, ContainerUpdateResponse } from '../../client/api-types.ts';
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { resourceFlags } from '../create/container-flags.ts';
import { resourcesFrom } from '../create/resources.ts';
import { parseRestartPolicy } from '../create/restart-policy.ts';
import { ExitError } from '../exit-error.ts';
import { forEachName } from './each-container.ts';

export const command: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  flags: [
    ...resourceFlags,
    {
      name: 'restart',
      kind: 'string',
      help: 'Restart policy to apply when a container exits',
      complete: ['no', 'always', 'on-failure', 'unless-stopped'],
    },
  ],
  args: { min: 1, max: anyNumber },
  completeArgs: 'container',
  unsupported: [
    'blkio-weight',
    'cpu-rt-period',
    'cpu-rt-runtime',
    'cpuset-cpus',
    'cpuset-mems',
    'kernel-memory',
  ],
  run: async (context) => {
    const { flags, client, out } = context;
    if (flags.setCount === 0)
      throw new ExitError(1, 'you must provide one or more flags when using this command');
    const policy = flags.string('restart');
    const json: ContainerUpdateRequest = {
      ...resourcesFrom(flags),
      ...(policy !== '' && { RestartPolicy: parseRestartPolicy(policy) }),
    };
    const warnings: string[] = [];
    const exitCode = await forEachName(context, async (path) => {
      const answer = await client.json<ContainerUpdateResponse>('POST', `${path}/update`, { json });
      warnings.push(...answer.Warnings);
    });
    for (const warning of warnings) await out.line(warning);
    return exitCode;
  },
};
