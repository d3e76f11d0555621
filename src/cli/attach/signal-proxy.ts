/** Signals that reach the client belong to the process in the container. */

/**
 * What people and supervisors send. Not: faults of this very process, its children's and pipes' signals, its terminal's
 * size, and those of job control, which mean this process and its shell.
 */
const forwarded = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGCONT',
  'SIGIO',
  'SIGPWR',
] as const satisfies readonly NodeJS.Signals[];

/** Until it is disposed, every such signal goes to `forward` and does nothing else here. */
export function proxySignals(forward: (signal: NodeJS.Signals) => Promise<unknown>): Disposable {
  const listener = (signal: NodeJS.Signals) => {
    // The process may be gone already, or not there yet: as with docker that is nobody's error.
    forward(signal).catch(() => undefined);
  };
  for (const signal of forwarded) process.on(signal, listener);
  return {
    [Symbol.dispose]: () => {
      for (const signal of forwarded) process.off(signal, listener);
    },
  };
}
