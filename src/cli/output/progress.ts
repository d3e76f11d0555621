/**
 * The progress of a pull, load or import: one line per layer, redrawn in place, on a terminal; a line per change of state
 * elsewhere. Ends with the daemon's error, if there is one.
 */
import type { ProgressMessage } from '../../client/api-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { TextOutput } from '../terminal/text-output.ts';
import { terminalColumns } from '../terminal/terminal-size.ts';
import { humanSize } from './human-units.ts';

export async function showProgress(messages: AsyncIterable<ProgressMessage>, out: TextOutput): Promise<void> {
  const display = out.isTerminal ? new TerminalProgress(out) : new PlainProgress(out);
  for await (const message of messages) {
    throwError(message);
    await display.show(message);
  }
}

/** `--quiet`: only the error counts. */
export async function discardProgress(messages: AsyncIterable<ProgressMessage>): Promise<void> {
  for await (const message of messages) throwError(message);
}

function throwError(message: ProgressMessage): void {
  const text = message.errorDetail?.message ?? message.error;
  if (text !== undefined) throw new EngineError('unavailable', text);
}

/** Bars and repeated states are for terminals. */
class PlainProgress {
  readonly #out: TextOutput;
  readonly #shown = new Map<string, string>();

  constructor(out: TextOutput) {
    this.#out = out;
  }

  async show({ id, status, stream, progressDetail }: ProgressMessage): Promise<void> {
    if (stream !== undefined) await this.#out.write(stream);
    else if (status === undefined || progressDetail?.current !== undefined) return;
    else if (id === undefined) await this.#out.line(status);
    else if (this.#shown.get(id) !== status) {
      this.#shown.set(id, status);
      await this.#out.line(`${id}: ${status}`);
    }
  }
}

class TerminalProgress {
  readonly #out: TextOutput;
  /** Which line, from the top of the block, each id has. */
  readonly #lines = new Map<string, number>();

  constructor(out: TextOutput) {
    this.#out = out;
  }

  async show(message: ProgressMessage): Promise<void> {
    if (message.stream !== undefined) {
      await this.#out.write(message.stream);
      return;
    }
    const { id, status = '' } = message;
    if (id === undefined) {
      await this.#out.line(status);
      this.#lines.clear(); // what was drawn above stays as it is
      return;
    }
    const columns = terminalColumns();
    const text = lineFor(id, status, message, columns).slice(0, columns - 1);
    const line = this.#lines.get(id);
    if (line === undefined) {
      this.#lines.set(id, this.#lines.size);
      await this.#out.write(`\x1b[2K${text}\r\n`);
      return;
    }
    const up = this.#lines.size - line;
    await this.#out.write(`\x1b[${up}A\x1b[2K\r${text}\r\x1b[${up}B`);
  }
}

function lineFor(
  id: string,
  status: string,
  { progressDetail, progress }: ProgressMessage,
  columns: number,
): string {
  const { current, total } = progressDetail ?? {};
  if (current === undefined) return `${id}: ${status}${progress === undefined ? '' : ` ${progress}`}`;
  if (total === undefined || total <= 0) return `${id}: ${status} ${humanSize(current, 4)}`;
  const numbers = `${humanSize(Math.min(current, total), 4)}/${humanSize(total, 4)}`;
  return columns < 110
    ? `${id}: ${status} ${numbers}`
    : `${id}: ${status} ${bar(current / total)} ${numbers}`;
}

function bar(share: number): string {
  const width = 50;
  const done = Math.max(0, Math.min(width, Math.trunc(share * width)));
  return `[${'='.repeat(done)}>${' '.repeat(width - done)}]`;
}
