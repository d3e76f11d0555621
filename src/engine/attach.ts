/** Attaches a client to a container's standard streams, also before it starts. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { AttachOptions, AttachStreams, Attachment } from './service.ts';

/** Registered when it returns. */
export function attachToContainer(
  context: EngineContext,
  nameOrId: string,
  options: AttachOptions,
  streams: AttachStreams,
): Attachment {
  const container = context.registry.get(nameOrId);
  const { status } = container;
  if (options.stream && status === 'paused') {
    throw new EngineError(
      'failed_precondition',
      `container ${nameOrId} is paused, unpause the container before attach`,
    );
  }
  if (options.stream && status === 'restarting') {
    throw new EngineError(
      'failed_precondition',
      `container ${nameOrId} is restarting, wait until the container is running`,
    );
  }
  const attachment = container.streams.attach(options, streams);
  context.events.container(container, 'attach');
  return attachment;
}
