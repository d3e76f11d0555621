import type { FastifyReply } from 'fastify';
import { EngineError } from '../../errors/engine-error.ts';

/** Aborted when the client goes away before its answer was complete. */
export function clientGone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const { raw } = reply;
  const onClose = () => {
    if (!raw.writableFinished)
      controller.abort(new EngineError('canceled', 'the client closed the connection'));
  };
  if (raw.closed) onClose();
  else raw.once('close', onClose);
  return controller.signal;
}
