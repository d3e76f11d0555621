/** dvm wait */
import { anyNumber } from '../arguments/command.ts';
import type { Command } from '../arguments/command.ts';
import { drain } from '../attach/attached-run.ts';
import { ExitError } from '../exit-error.ts';
import { describeError } from '../output/error-text.ts';
import type { ContainerWaitResponse } from '../../client/api-types.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  flags: [],
  args: { min: 1, max: anyNumber },
  completeArgs: 'running-container',
  run: async ({ args, client, out }) => {
    const failures: string[] = [];
    for (const name of args) {
      try {
        const response = await client.call('POST', `/containers/${encodeURIComponent(name)}/wait`);
        const { StatusCode, Error: failure } = JSON.parse(
          await drain(response.body),
        ) as ContainerWaitResponse;
        if (failure !== undefined && failure.Message !== '') failures.push(failure.Message);
        else await out.line(String(StatusCode));
      } catch (error) {
        failures.push(describeError(error));
      }
    }
    if (failures.length > 0) throw new ExitError(1, failures.join('\n'));
    return 0;
  },
};
