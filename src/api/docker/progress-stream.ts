/**
 * The answer of pull, load and import: a JSON object per line. The head goes out with the first line, so that what
 * fails before it still gets a status; what fails after it becomes a line of its own.
 */
import type { FastifyReply } from 'fastify';
import type { Writable } from 'node:stream';
import type { ImageProgress } from '../../engine/ports/images.ts';
import { messageOf } from '../../errors/engine-error.ts';
import { beginAnswer } from './answer-stream.ts';
import type { ProgressMessage } from './types.ts';

/** No more than this many counts per second and layer: a bar needs no more. */
const leastIntervalMs = 100;

export class ProgressStream {
  readonly #reply: FastifyReply;
  #output: Writable | undefined;
  readonly #lastCount = new Map<string, { readonly status: string; readonly atMs: number }>();

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  get begun(): boolean {
    return this.#output !== undefined;
  }

  say(message: ProgressMessage): void {
    this.#output ??= beginAnswer(this.#reply, 'application/json');
    if (!this.#output.destroyed) this.#output.write(`${JSON.stringify(message)}\r\n`);
  }

  /** Counts that come too fast, or that a slow client has not read yet, are left out; new states never are. */
  readonly progress = (step: ImageProgress): void => {
    if (this.#isTooSoon(step)) return;
    const { id, status, current, total } = step;
    this.say({
      status,
      progressDetail: { ...(current !== undefined && { current }), ...(total !== undefined && { total }) },
      ...(current !== undefined && { progress: bar(current, total) }),
      ...(id !== undefined && { id }),
    });
  };

  end(): void {
    this.#output ??= beginAnswer(this.#reply, 'application/json');
    this.#output.end();
  }

  /** Only when something has been said; else the error is for the status. */
  fail(error: unknown): void {
    const message = messageOf(error);
    this.say({ errorDetail: { message }, error: message });
    this.end();
  }

  #isTooSoon({ id = '', status, current, total }: ImageProgress): boolean {
    if (current === undefined) return false;
    const last = this.#lastCount.get(id);
    const now = performance.now();
    const behind = this.#output?.writableNeedDrain === true;
    if (last?.status === status && current !== total && (behind || now - last.atMs < leastIntervalMs))
      return true;
    this.#lastCount.set(id, { status, atMs: now });
    return false;
  }
}

/** "[=====>     ]  5MB/10MB" */
function bar(current: number, total: number | undefined): string {
  if (total === undefined || total <= 0) return humanSize(current);
  const width = 50;
  const filled = Math.min(width, Math.floor((current / total) * width));
  const body = filled === width ? '='.repeat(width) : `${'='.repeat(filled)}>`.padEnd(width);
  return `[${body}]  ${humanSize(current)}/${humanSize(total)}`;
}

/** Decimal, four digits, as Docker: 1.234MB */
function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(4))}${units[power] ?? ''}`;
}
