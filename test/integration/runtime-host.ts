/** A runtime on the real VMM and the real guest, with directories of its own. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LayerFile, Sandbox } from '../../src/engine/ports/pod-runtime.ts';
import type { Vmm } from '../../src/engine/ports/vmm.ts';
import { MicrovmRuntime } from '../../src/runtime/microvm/microvm-runtime.ts';
import type { MicrovmRuntimeOptions } from '../../src/runtime/microvm/microvm-runtime.ts';
import type { RuntimeUnderTest } from '../conformance/pod-runtime.ts';
import { stockGuestImage, testGuestImage } from './runtime-guest.ts';
import { blankDisk, busyboxLayer } from './runtime-image.ts';
import { testVmm } from './runtime-vmm.ts';

export interface RealRuntimeHost extends RuntimeUnderTest {
  readonly directory: string;
  readonly runtime: MicrovmRuntime;
  readonly vmm: Vmm;
  readonly layers: readonly LayerFile[];
  makeDisk(): Promise<string>;
  readonly warnings: string[];
  /** Spans by name, milliseconds. */
  readonly spans: Map<string, number[]>;
}

export type HostOptions = Partial<
  Pick<MicrovmRuntimeOptions, 'poolTarget' | 'quietMs' | 'rehearsal' | 'uids' | 'timeouts'>
>;

/** Makes the runtime that belongs to a directory; two of them in turn are a daemon and its successor. */
export async function openRuntime(
  directory: string,
  options: HostOptions,
  observer: MicrovmRuntimeOptions['observer'],
): Promise<{ runtime: MicrovmRuntime; vmm: Vmm }> {
  const image = await testGuestImage(AbortSignal.timeout(20_000));
  const vmm = await testVmm(directory);
  const runtime = new MicrovmRuntime({
    vmm,
    images: {
      current: () => image,
      custom: (_path, signal) => stockGuestImage(directory, signal),
    },
    templatesDirectory: join(directory, 'templates'),
    stateDirectory: join(directory, 'state'),
    observer,
    poolTarget: 0,
    defaultSize: { memoryBytes: 512 << 20, vcpus: 1 },
    uids: { base: 2_000_100_000, count: 1000 },
    ...options,
  });
  return { runtime, vmm };
}

export async function realRuntimeHost(options: HostOptions = {}): Promise<RealRuntimeHost> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-runtime-'));
  const warnings: string[] = [];
  const spans = new Map<string, number[]>();
  const observer = {
    span: (_subject: string, name: string, _startMs: number, durationMs: number) => {
      spans.set(name, [...(spans.get(name) ?? []), durationMs]);
    },
    warn: (message: string, cause: unknown) => {
      warnings.push(message);
      if (process.env['DVM_TEST_VERBOSE'] !== undefined) console.error(message, cause);
    },
  };
  await mkdir(join(directory, 'disks'));
  const layers = [await busyboxLayer(directory)];
  let opened = await openRuntime(directory, options, observer);
  let disks = 0;
  return {
    directory,
    get runtime() {
      return opened.runtime;
    },
    get vmm() {
      return opened.vmm;
    },
    layers,
    warnings,
    spans,
    makeDisk: () => blankDisk(join(directory, 'disks', `${++disks}.ext4`)),
    restart: async () => {
      await opened.runtime[Symbol.asyncDispose]();
      opened = await openRuntime(directory, options, observer);
      return opened.runtime;
    },
    leftovers: () => opened.vmm.listStrays(new Set()),
    crash: (sandbox: Sandbox) => process.kill(sandbox.pid, 'SIGKILL'),
    [Symbol.asyncDispose]: async () => {
      await opened.runtime[Symbol.asyncDispose]();
      for (const id of await opened.vmm.listStrays(new Set())) await opened.vmm.removeStray(id);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
