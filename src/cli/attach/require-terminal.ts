/** `-t` together with an attached stdin means a person at a terminal: without one, what is typed could not reach the process as typed. */
import { ExitError } from '../exit-error.ts';
import { stdinIsTerminal } from '../terminal/standard-input.ts';

export function requireTerminal(stdinAttached: boolean, tty: boolean): void {
  if (stdinAttached && tty && !stdinIsTerminal()) {
    throw new ExitError(1, 'the input device is not a TTY');
  }
}
