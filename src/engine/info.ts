/** What the daemon says about itself and of sizes. */
import { errorCodeOf } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { EngineInfo } from './service.ts';

export function engineInfo(context: EngineContext): EngineInfo {
  const { settings } = context;
  const count = { running: 0, paused: 0, stopped: 0 };
  for (const container of context.registry.all()) {
    if (container.record.run?.paused === true) count.paused++;
    else if (container.isRunning) count.running++;
    else count.stopped++;
  }
  return {
    id: settings.id,
    containers: count,
    images: context.images.usage().images,
    runtime: context.runtime.info(),
    dataDirectory: settings.dataDirectory,
    warnings: settings.warnings(),
  };
}

export async function containerSize(
  context: EngineContext,
  nameOrId: string,
): Promise<{ readonly writableBytes: number; readonly rootBytes: number }> {
  const container = context.registry.get(nameOrId);
  const writableBytes = await context.disks.usage(container.id);
  return { writableBytes, rootBytes: writableBytes + imageBytes(context, container.record.spec.imageId) };
}

/** 0 when the image was removed by force: its size went with it. */
function imageBytes(context: EngineContext, imageId: string): number {
  try {
    return context.images.get(imageId).sizeBytes;
  } catch (error) {
    if (errorCodeOf(error) === 'not_found') return 0;
    throw error;
  }
}
