/** Makes a container: facts only. Its disk and its sandbox are made when it starts. */
import { randomBytes } from 'node:crypto';
import type { ContainerSpec } from './model/container.ts';
import type { Container } from './container.ts';
import type { EngineContext } from './context.ts';
import { generateName, parseContainerName } from './container-name.ts';
import { checkSpec } from './check-spec.ts';

/** An empty name is made up, an empty hostname is the id's begin. Nothing is left behind when it throws. */
export function createContainer(context: EngineContext, asked: ContainerSpec): Container {
  const { registry, images, disks, events } = context;
  const id = newId();
  checkSpec(asked);
  if (asked.storageSizeBytes !== undefined) disks.checkSize(asked.storageSizeBytes);
  const name =
    asked.name === ''
      ? generateName(id, (taken) => registry.isNameTaken(taken))
      : parseContainerName(asked.name);
  registry.checkNameFree(name);
  const spec = { ...asked, name, hostname: asked.hostname === '' ? id.slice(0, 12) : asked.hostname };
  const layers = images.hold(id, spec.imageId);
  try {
    const createdAt = Date.now();
    const sequence = registry.nextSequence();
    const container = registry.add(
      { id, createdAt },
      {
        id,
        podId: id,
        sequence,
        createdAt,
        spec,
        layers,
        restartCount: 0,
        manuallyStopped: false,
        execs: [],
      },
    );
    events.container(container, 'create');
    return container;
  } catch (error) {
    context.background.run(`cannot let go of the layers of container ${id}`, () => images.release(id));
    throw error;
  }
}

/** Docker avoids ids whose short form is all digits: they would be taken for numbers. */
function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (!/^\d+$/.test(id.slice(0, 12))) return id;
  }
}
