/** Turns a booted, quiet machine into a template: stops it and saves its devices; its memory is in a file already. */
import { open } from 'node:fs/promises';
import type { MachineShape } from '../../engine/ports/vmm.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { DriverContext } from './driver-context.ts';
import type { QmpClient } from './qmp-client.ts';
import { completeTemplate, templateFiles } from './template-manifest.ts';

export interface TemplateSource {
  readonly context: DriverContext;
  readonly shape: MachineShape;
  readonly directory: string;
}

/** `end` quits the VMM, after which nobody writes to the memory file any more. */
export async function saveTemplate(
  source: TemplateSource,
  qmp: QmpClient,
  end: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  await saveState(qmp, templateFiles(source.directory).state, signal);
  await end();
  await completeTemplate(source.context, source.shape, source.directory);
}

/**
 * QEMU stops the machine itself before it writes the state: had we stopped it, clones would start stopped. It cannot open
 * files any more, so it gets the state's as a descriptor.
 */
async function saveState(qmp: QmpClient, path: string, signal: AbortSignal): Promise<void> {
  const capabilities = ['x-ignore-shared', 'events'].map((capability) => ({ capability, state: true }));
  await qmp.execute('migrate-set-capabilities', { capabilities }, signal);
  await using file = await open(path, 'wx', 0o600);
  const set = 1000; // the only one there is: a template has no disks
  await qmp.executeWithDescriptor('add-fd', { 'fdset-id': set }, file.fd, signal);
  const settled = qmp.waitFor(
    ({ name, data }) =>
      name === 'MIGRATION' && ['completed', 'failed', 'cancelled'].includes(String(data['status'])),
    signal,
  );
  settled.catch(() => undefined); // awaited below, unless `migrate` itself is refused
  await qmp.execute('migrate', { uri: `file:/dev/fdset/${set}` }, signal);
  const { data } = await settled;
  if (data['status'] !== 'completed') {
    throw new EngineError('internal', `QEMU could not save the machine's state: ${String(data['status'])}`);
  }
}
