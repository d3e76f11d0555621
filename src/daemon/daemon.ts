/** Puts the daemon together: the only place that constructs drivers. Reads as the list of what it is made of. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { ContainerEngine } from '../engine/engine.ts';
import type { EngineObserver } from '../engine/ports/observer.ts';
import { openImageStore } from '../image/image-store.ts';
import { MicrovmRuntime } from '../runtime/microvm/microvm-runtime.ts';
import { SparseDiskStore } from '../storage/disks/disk-store.ts';
import { FileLogStore } from '../storage/logs/log-store.ts';
import { SqliteStateStore } from '../storage/state-store.ts';
import { KeyedLock } from '../system/keyed-lock.ts';
import { openQemuVmm } from '../vmm/qemu/open-qemu-vmm.ts';
import { cachedAcceleratorProbe } from './accelerator-cache.ts';
import type { DaemonConfig } from './config.ts';
import { readDaemonId } from './daemon-id.ts';
import { claimDirectories } from './directories.ts';
import { examineHost } from './doctor.ts';
import { createDvmBackend } from './dvm-backend.ts';
import { findGuestFiles } from './guest/guest-files.ts';
import { GuestKernels } from './guest/guest-kernels.ts';
import { initramfsFor } from './guest/modular-initramfs.ts';
import { readOperatingSystem, readResolvConf } from './host-facts.ts';
import { instanceOf } from './instance.ts';
import { prepareRehearsal } from './rehearsal.ts';
import { serve } from './serve.ts';
import { makeRoomForSocket } from './socket.ts';
import { TraceRecorder } from './trace-recorder.ts';
import { dvmVersion } from './version.ts';

/** Resolves when clients are served. Disposing it stops the daemon and leaves the pods as they are. */
export async function startDaemon(
  config: DaemonConfig,
  programDirectory: string,
  logger: Logger,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const { dataDirectory, stateDirectory } = config;
  await using undo = new AsyncDisposableStack();
  undo.use(claimDirectories({ data: dataDirectory, state: stateDirectory }));
  await makeRoomForSocket(config.socketPath);

  const traces = new TraceRecorder();
  const observer: EngineObserver = {
    span: (subject, name, startMs, durationMs) => traces.record(subject, name, startMs, durationMs),
    warn: (message, cause) => logger.warn({ err: cause }, message),
  };
  const probe = await cachedAcceleratorProbe(stateDirectory, config.accelerator, signal);
  const instance = instanceOf(config);
  const vmm = await openQemuVmm(
    {
      stateDirectory: join(stateDirectory, 'vmm'),
      accelerator: probe.accelerator,
      cgroupName: instance.cgroupName,
      ...(probe.tscKhz !== undefined && { tscKhz: probe.tscKhz }),
    },
    signal,
  );
  const files = findGuestFiles(programDirectory, config.guestDirectory);
  const kernels = undo.use(
    await GuestKernels.open(
      {
        files,
        kernelPath: config.kernelPath,
        initramfsFor: (kernelPath, release, aborted) =>
          initramfsFor(kernelPath, release, files.initramfsPath, join(dataDirectory, 'initramfs'), aborted),
        switched: ({ kernel }) =>
          logger.info({ kernel: kernel.path, release: kernel.release }, 'new pods boot the trimmed kernel'),
        warn: (message, cause) => observer.warn(message, cause),
      },
      signal,
    ),
  );
  const images = undo.use(
    openImageStore({
      dataDir: join(dataDirectory, 'images'),
      registries: { mirrors: config.registryMirrors, insecure: config.insecureRegistries },
    }),
  );
  const state = undo.use(new SqliteStateStore(join(dataDirectory, 'engine.db')));
  // Clients are cut off only after the pods have been let go of: else the end of an attached client would be taken for
  // the end of its container's input.
  const serving: { server?: AsyncDisposable } = {};
  undo.defer(async () => serving.server?.[Symbol.asyncDispose]());
  const rehearsal = await prepareRehearsal(
    { layers: join(dataDirectory, 'rehearsal'), disks: join(stateDirectory, 'rehearsal') },
    signal,
  );
  const runtime = undo.use(
    new MicrovmRuntime({
      vmm,
      images: kernels,
      templatesDirectory: join(dataDirectory, 'templates'),
      stateDirectory: join(stateDirectory, 'runtime'),
      observer,
      uids: instance.uids,
      defaultSize: {
        ...(config.defaultMemoryBytes !== undefined && { memoryBytes: config.defaultMemoryBytes }),
        ...(config.defaultVcpus !== undefined && { vcpus: config.defaultVcpus }),
      },
      ...(config.poolSize !== undefined && { poolTarget: config.poolSize }),
      ...(rehearsal !== undefined && { rehearsal }),
    }),
  );
  const disks = new SparseDiskStore({ directory: join(dataDirectory, 'disks') });
  const engine = new ContainerEngine(
    {
      runtime,
      images,
      state,
      logs: new FileLogStore({ directory: join(dataDirectory, 'logs'), observer }),
      disks,
      lock: new KeyedLock(),
      observer,
    },
    {
      id: await readDaemonId(dataDirectory),
      dataDirectory,
      resolvConf: readResolvConf,
      warnings: () => warningsOf(probe.accelerator, runtime.info().kernelKind),
    },
  );
  undo.defer(() => engine.close());
  await disks.prepare(signal);
  await engine.reconcile(signal);

  const stopping = new AbortController();
  serving.server = await serve({
    socketPath: config.socketPath,
    group: config.group,
    logger,
    docker: {
      engine,
      images,
      shutdown: stopping.signal,
      host: {
        version: dvmVersion,
        operatingSystem: readOperatingSystem(),
        registryMirrors: config.registryMirrors['docker.io'] ?? [],
        insecureRegistries: config.insecureRegistries,
      },
    },
    dvm: createDvmBackend({
      engine,
      config,
      traces,
      acceleratorReason: probe.explanation,
      kernelReason: () => kernels.reason,
      doctor: (aborted) =>
        examineHost(
          {
            config,
            kernel: () => kernels.current().kernel,
            kernelReason: () => kernels.reason,
            rehearses: rehearsal !== undefined,
          },
          aborted,
        ),
    }),
  });
  undo.defer(() => stopping.abort());
  runtime.startPool();
  return undo.move();
}

function warningsOf(accelerator: string, kernelKind: string): readonly string[] {
  return [
    ...(accelerator === 'kvm'
      ? []
      : ['WARNING: pods run in software emulation, several times slower than with KVM: see "dvm doctor"']),
    ...(kernelKind === 'stock'
      ? ["WARNING: pods boot the distribution's kernel until the trimmed one is built"]
      : []),
  ];
}
