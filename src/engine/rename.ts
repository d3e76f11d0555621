/** Gives a container another name. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import { parseContainerName } from './container-name.ts';

export function renameContainer(context: EngineContext, nameOrId: string, newName: string): void {
  const { registry, events } = context;
  const container = registry.get(nameOrId);
  const name = parseContainerName(newName.trim());
  const oldName = container.name;
  if (name === oldName) {
    throw new EngineError('invalid_argument', 'Renaming a container with the same name as its current name');
  }
  registry.checkNameFree(name);
  registry.commit(container, { spec: { ...container.record.spec, name } });
  events.container(container, 'rename', { oldName: `/${oldName}` });
}
