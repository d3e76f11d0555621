/** How large the terminal on standard output is, now and whenever that changes. */
import { isatty } from 'node:tty';

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** Undefined: stdout is no terminal, or one without a size. */
export function terminalSize(): TerminalSize | undefined {
  if (!isatty(1)) return undefined;
  const [columns, rows] = process.stdout.getWindowSize();
  return rows > 0 && columns > 0 ? { rows, columns } : undefined;
}

/** Calls back on every change; dispose to stop. */
export function watchTerminalSize(changed: (size: TerminalSize) => void): Disposable {
  const listener = () => {
    const size = terminalSize();
    if (size !== undefined) changed(size);
  };
  process.stdout.on('resize', listener);
  return { [Symbol.dispose]: () => void process.stdout.off('resize', listener) };
}

/** Columns of the terminal on stdout or stderr; 80 without one. */
export function terminalColumns(): number {
  const stream = isatty(1) ? process.stdout : process.stderr;
  return isatty(1) || isatty(2) ? stream.columns || 80 : 80;
}
