/** The driver: QEMU's `microvm` machine behind the `Vmm` port. Each operation is in a file of its own. */
import type { Json } from '../../engine/model/json.ts';
import type { Machine, MachineSpec, MachineTemplate, Vmm, VmmCapabilities } from '../../engine/ports/vmm.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { DriverContext } from './driver-context.ts';
import { launch, makeMemoryFile } from './launch.ts';
import { maxDisks } from './machine-layout.ts';
import { reattach } from './reattach.ts';
import { listStrays, removeStray } from './strays.ts';
import { checkTemplate, templateFiles, templateGeneration } from './template-manifest.ts';

export class QemuVmm implements Vmm {
  readonly capabilities: VmmCapabilities;
  readonly #context: DriverContext;

  constructor(context: DriverContext) {
    this.#context = context;
    this.capabilities = {
      name: 'qemu',
      version: context.version,
      accelerator: context.accelerator,
      clone: true,
      hotplugDisk: true,
      pause: true,
      maxDisks,
      templateGeneration: templateGeneration(context),
    };
  }

  async boot(spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
    return await launch(this.#context, spec, { kind: 'boot' }, signal);
  }

  async bootTemplateSource(spec: MachineSpec, directory: string, signal: AbortSignal): Promise<Machine> {
    const memoryPath = await makeMemoryFile(directory, spec.shape);
    return await launch(this.#context, spec, { kind: 'templateSource', memoryPath }, signal, directory);
  }

  async clone(template: MachineTemplate, spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
    const { shape } = template;
    if (spec.shape.vcpus !== shape.vcpus || spec.shape.memoryBytes !== shape.memoryBytes) {
      throw new EngineError('invalid_argument', `machine ${spec.id} has another shape than its template`);
    }
    await checkTemplate(this.#context, shape, template.directory);
    const { memory, state } = templateFiles(template.directory);
    return await launch(this.#context, spec, { kind: 'clone', memoryPath: memory, statePath: state }, signal);
  }

  async reattach(record: Json, signal: AbortSignal): Promise<Machine | undefined> {
    return await reattach(this.#context, record, signal);
  }

  async listStrays(known: ReadonlySet<string>): Promise<readonly string[]> {
    return await listStrays(this.#context, known);
  }

  async removeStray(id: string): Promise<void> {
    await removeStray(this.#context, id);
  }
}
