/** Tells a terminal in a container how large the one on stdout is: now, and whenever that changes. */
import { setTimeout as delay } from 'node:timers/promises';
import type { DaemonClient } from '../../client/daemon-client.ts';
import { terminalSize, watchTerminalSize } from '../terminal/terminal-size.ts';
import type { TerminalSize } from '../terminal/terminal-size.ts';
import type { TextOutput } from '../terminal/text-output.ts';

const retries = 10;

/** `path` is the resize route of a container or of an exec. Without a terminal on stdout nothing happens. */
export function followTerminalSize(client: DaemonClient, path: string, err: TextOutput): Disposable {
  const size = terminalSize();
  if (size === undefined) return { [Symbol.dispose]: () => undefined };
  const resize = ({ rows, columns }: TerminalSize) =>
    client.send('POST', path, { query: { h: rows, w: columns } });
  void resizeFirst(() => resize(size), err);
  return watchTerminalSize((changed) => {
    resize(changed).catch(() => undefined); // the process is gone, or the next change succeeds
  });
}

/** An exec's process may not run yet when its stream is there already: nothing announces it, so this tries again. */
async function resizeFirst(resize: () => Promise<unknown>, err: TextOutput): Promise<void> {
  for (let attempt = 1; attempt <= retries; attempt += 1) {
    try {
      await resize();
      return;
    } catch {
      await delay(attempt * 10, undefined, { ref: false });
    }
  }
  await err.line('failed to resize tty, using default size').catch(() => undefined);
}
