/** Questions to the person at the terminal. */
import { ExitError } from '../exit-error.ts';
import { openStandardInput } from './standard-input.ts';
import type { TextOutput } from './text-output.ts';

const maxBytes = 64 * 1024;

/** One line; typed invisibly unless `echo`. Only on a terminal: elsewhere nobody sees the question. */
export async function readSecret(err: TextOutput, question: string, echo: boolean): Promise<string> {
  const input = openStandardInput();
  try {
    if (!input.isTerminal)
      throw new ExitError(1, 'cannot perform an interactive login from a non TTY device');
    await err.write(question);
    await input.setRaw();
    let text = '';
    for await (const chunk of input.chunks()) {
      for (const key of chunk.toString()) {
        if (key === '\r' || key === '\n') {
          await err.write('\r\n');
          return text;
        }
        if (key === '\x03') throw new ExitError(130, '\r');
        if (key === '\x04') return text;
        if (key === '\x7f' || key === '\b') {
          if (echo && text !== '') await err.write('\b \b');
          text = text.slice(0, -1);
          continue;
        }
        text += key;
        if (echo) await err.write(key);
        if (text.length > maxBytes) throw new ExitError(1, 'the answer is too long');
      }
    }
    return text;
  } finally {
    input.close();
  }
}

/** All of stdin, without the line break at its end. */
export async function readText(): Promise<string> {
  const input = openStandardInput();
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of input.chunks()) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) throw new ExitError(1, 'what came on stdin is too long for a password');
    }
    return Buffer.concat(chunks)
      .toString()
      .replace(/\r?\n$/, '');
  } finally {
    input.close();
  }
}
