/** stdout or stderr of a program that runs inside a test. */
import type { TextOutput } from '../terminal/text-output.ts';

export class CapturedOutput implements TextOutput {
  readonly isTerminal: boolean;
  text = '';

  constructor(isTerminal = false) {
    this.isTerminal = isTerminal;
  }

  write(text: string | Uint8Array): Promise<void> {
    this.text += typeof text === 'string' ? text : Buffer.from(text).toString();
    return Promise.resolve();
  }

  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}
