/** What DVM's own API answers, from the engine and from what the daemon knows of itself. */
import type { DvmBackend } from '../api/dvm/operations.ts';
import type { DvmDoctor } from '../api/dvm/schemas.ts';
import type { Engine } from '../engine/service.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { DaemonConfig } from './config.ts';
import type { TraceRecorder } from './trace-recorder.ts';
import { dvmVersion } from './version.ts';

export interface DvmBackendParts {
  readonly engine: Pick<Engine, 'get' | 'info'>;
  readonly config: DaemonConfig;
  readonly traces: TraceRecorder;
  /** Why this accelerator. */
  readonly acceleratorReason: string;
  readonly kernelReason: () => string;
  readonly doctor: (signal: AbortSignal) => Promise<DvmDoctor>;
}

export function createDvmBackend(parts: DvmBackendParts): DvmBackend {
  const { engine, config, traces } = parts;
  return {
    info: () => {
      const { runtime, containers, images, warnings } = engine.info();
      return {
        version: dvmVersion,
        vmm: { name: runtime.vmm, version: runtime.vmmVersion },
        accelerator: { name: runtime.accelerator, reason: parts.acceleratorReason },
        kernel: {
          kind: runtime.kernelKind,
          release: runtime.kernelRelease,
          path: runtime.kernelPath,
          reason: parts.kernelReason(),
        },
        pool: { ...runtime.pool },
        templates: runtime.templates,
        defaults: { memoryBytes: runtime.defaultMemoryBytes, vcpus: runtime.defaultVcpus },
        containers: { ...containers },
        images,
        dataDirectory: config.dataDirectory,
        stateDirectory: config.stateDirectory,
        socket: config.socketPath,
        pid: process.pid,
        warnings: [...warnings],
      };
    },
    doctor: parts.doctor,
    origin: (nameOrId) => {
      const { spec, origin } = engine.get(nameOrId);
      if (origin !== undefined) return { ...origin };
      throw new EngineError('failed_precondition', `container ${spec.name} has never run: start it first`);
    },
    trace: (nameOrId) => traces.traceOf(engine.get(nameOrId).id),
  };
}
