import { EngineError } from '../errors/engine-error.ts';
import { protocolError } from '../guest-protocol/bytes.ts';
import { replyTypes } from '../guest-protocol/generated.ts';
import type { AgentMessage, Requests, RequestType } from '../guest-protocol/generated.ts';
import { reasonOf } from '../system/deadline.ts';
import { engineErrorOf } from './agent-error.ts';

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  /** The reply to a request that its caller gave up waiting for. */
  readonly onLate?: (reply: AgentMessage) => void;
  /** The caller gave up; the request was sent all the same. */
  readonly onAbandoned?: () => void;
}

interface Pending {
  readonly type: RequestType;
  readonly resolve: (reply: never) => void;
  readonly reject: (error: unknown) => void;
  readonly options: RequestOptions;
  readonly stopWaiting: () => void;
  abandoned: boolean;
}

/** More at once is a defect, or a guest that does not answer and a caller that does not mind. */
const mostPending = 4096;

/** Requests that wait for their replies, by number. */
export class PendingRequests {
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  add<T extends RequestType>(
    type: T,
    options: RequestOptions,
  ): { id: number; reply: Promise<Requests[T]['reply']> } {
    options.signal?.throwIfAborted();
    if (this.#pending.size >= mostPending) {
      throw new EngineError('resource_exhausted', `the guest owes answers to ${mostPending} requests`);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Requests[T]['reply']>();
    const id = this.#nextId();
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    const timer = setTimeout(() => {
      this.#abandon(
        id,
        new EngineError('deadline_exceeded', `the guest did not answer "${type}" within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    const { signal } = options;
    const onAbort = () => {
      if (signal !== undefined) this.#abandon(id, reasonOf(signal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const stopWaiting = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    this.#pending.set(id, { type, resolve, reject, options, stopWaiting, abandoned: false });
    return { id, reply: promise };
  }

  /** The request could not even be sent. */
  drop(id: number, error: unknown): void {
    const pending = this.#take(id);
    pending?.reject(error);
  }

  settle(id: number, reply: AgentMessage): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) throw protocolError(`${reply.type} to request ${id}, which was never made`);
    if (reply.type !== 'error' && reply.type !== replyTypes[pending.type]) {
      throw protocolError(`${reply.type} to a request "${pending.type}"`);
    }
    this.#take(id);
    if (pending.abandoned) pending.options.onLate?.(reply);
    else if (reply.type === 'error') pending.reject(engineErrorOf(reply));
    else pending.resolve(reply as never);
  }

  failAll(error: EngineError): void {
    for (const id of [...this.#pending.keys()]) this.drop(id, error);
  }

  /** The number stays taken until the guest has answered. */
  #abandon(id: number, error: Error): void {
    const pending = this.#pending.get(id);
    if (pending === undefined || pending.abandoned) return;
    pending.stopWaiting();
    pending.abandoned = true;
    pending.options.onAbandoned?.();
    pending.reject(error);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.stopWaiting();
    return pending;
  }

  #nextId(): number {
    do this.#last = (this.#last % 0xffff_ffff) + 1;
    while (this.#pending.has(this.#last));
    return this.#last;
  }
}
