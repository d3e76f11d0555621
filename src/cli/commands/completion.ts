/** dvm completion bash|zsh|fish */
import type { Command } from '../arguments/command.ts';
import { describeCommands } from '../completion/describe-commands.ts';
import { bashScript } from '../completion/bash.ts';
import { fishScript } from '../completion/fish.ts';
import { zshScript } from '../completion/zsh.ts';
import { ExitError } from '../exit-error.ts';

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export const command: Command = {
  usage: 'bash|zsh|fish',
  flags: [],
  args: { min: 1, max: 1 },
  completeArgs: ['bash', 'zsh', 'fish'],
  run: async ({ args, out, table }) => {
    const [shell = ''] = args;
    if (!Object.hasOwn(shells, shell)) {
      throw new ExitError(1, `no completion for "${shell}": the shells are bash, zsh and fish`);
    }
    await out.write(shells[shell as keyof typeof shells](await describeCommands(table)));
    return 0;
  },
};
