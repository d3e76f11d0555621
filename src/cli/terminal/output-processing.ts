/** What Node cannot set on a terminal, by the program that can. */
import { spawn } from 'node:child_process';

/**
 * Node's raw mode leaves the terminal's translation of line feeds on. The container's own terminal does that already, and
 * full-screen programs need a bare line feed to stay one.
 */
export async function disableOutputProcessing(): Promise<void> {
  const child = spawn('stty', ['-opost'], { stdio: [0, 'ignore', 'ignore'] });
  await new Promise<void>((resolve) => {
    child.once('error', () => resolve()); // no stty: lines look odd in full-screen programs, and everything works
    child.once('exit', () => resolve());
  });
}
