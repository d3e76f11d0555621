/** "Are you sure you want to continue? [y/N]" */
import type { CommandContext } from '../arguments/command.ts';
import { openStandardInput } from '../terminal/standard-input.ts';

/** Whether the answer on stdin's next line is y or yes; no answer is no. */
export async function confirmed({ err }: Pick<CommandContext, 'err'>, warning: string): Promise<boolean> {
  await err.write(`${warning}\nAre you sure you want to continue? [y/N] `);
  const answer = (await readLine()).trim().toLowerCase();
  return answer === 'y' || answer === 'yes';
}

async function readLine(): Promise<string> {
  const input = openStandardInput();
  try {
    let text = '';
    for await (const chunk of input.chunks()) {
      text += chunk.toString();
      if (text.includes('\n') || text.length > 4096) break;
    }
    return text.split('\n', 1)[0] ?? '';
  } finally {
    input.close();
  }
}
