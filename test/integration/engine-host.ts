/** The engine on the real VMM and guest, with real storage; the image is one layer of busybox. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ContainerEngine } from '../../src/engine/engine.ts';
import type { ContainerExit, ContainerSpec } from '../../src/engine/model/container.ts';
import type { Image } from '../../src/engine/ports/images.ts';
import type { LayerFile } from '../../src/engine/ports/pod-runtime.ts';
import type { AttachOptions, AttachStreams } from '../../src/engine/service.ts';
import { FakeImages } from '../../src/engine/testing/fake-images.ts';
import { FakeWorld, Life } from '../../src/engine/testing/fake-stores.ts';
import { SparseDiskStore } from '../../src/storage/disks/disk-store.ts';
import { FileLogStore } from '../../src/storage/logs/log-store.ts';
import { SqliteStateStore } from '../../src/storage/state-store.ts';
import { KeyedLock } from '../../src/system/keyed-lock.ts';
import { specOf } from '../../src/engine/testing/engine-fixture.ts';
import { openRuntime } from './runtime-host.ts';
import { busyboxLayer } from './runtime-image.ts';
import { testVmm } from './runtime-vmm.ts';

export const never = new AbortController().signal;
export const live: AttachOptions = { stdout: true, stderr: true, logs: false, stream: true };

/** One that hands out the real layer. */
class OneLayerImages extends FakeImages {
  readonly #layer: LayerFile;

  constructor(layer: LayerFile) {
    super(new FakeWorld(), new Life());
    this.#layer = layer;
  }

  override hold(owner: string, imageId: string): readonly LayerFile[] {
    super.hold(owner, imageId);
    return [this.#layer];
  }

  override get(nameOrId: string): Image {
    return super.get(nameOrId);
  }
}

interface Opened {
  readonly engine: ContainerEngine;
  readonly disposal: AsyncDisposableStack;
}

export class EngineHost implements AsyncDisposable {
  readonly directory: string;
  readonly warnings: string[] = [];
  readonly #layer: LayerFile;
  #opened: Opened;

  private constructor(directory: string, layer: LayerFile, opened: Opened) {
    this.directory = directory;
    this.#layer = layer;
    this.#opened = opened;
  }

  static async open(): Promise<EngineHost> {
    const directory = await mkdtemp('/var/tmp/dvm-engine-');
    const layer = await busyboxLayer(directory);
    return new EngineHost(directory, layer, await openEngine(directory, layer));
  }

  get engine(): ContainerEngine {
    return this.#opened.engine;
  }

  /** An orderly end of the daemon, and its successor. */
  async restart(): Promise<void> {
    await this.#opened.disposal.disposeAsync();
    this.#opened = await openEngine(this.directory, this.#layer);
  }

  async run(change: Partial<ContainerSpec>): Promise<string> {
    const { id } = await this.engine.create(specOf(change));
    await this.engine.start(id, never);
    return id;
  }

  sh(script: string, change: Partial<ContainerSpec> = {}): Promise<string> {
    return this.run({ cmd: ['sh', '-c', script], ...change });
  }

  exit(id: string): Promise<ContainerExit> {
    return this.engine.wait(id, 'not-running', never).exit;
  }

  async logs(id: string): Promise<string> {
    const parts: Buffer[] = [];
    const query = { stdout: true, stderr: true, follow: false };
    for await (const { data } of this.engine.logs(id, query, never)) parts.push(Buffer.from(data));
    return Buffer.concat(parts).toString();
  }

  async exec(id: string, script: string): Promise<{ readonly output: string; readonly exitCode?: number }> {
    const parts: Buffer[] = [];
    const streams: AttachStreams = { write: (_stream, chunk) => void parts.push(Buffer.from(chunk)) };
    const exec = this.engine.execCreate(id, {
      args: ['sh', '-c', script],
      env: [],
      workingDir: '',
      user: '',
      tty: false,
      attachStdin: false,
      attachStdout: true,
      attachStderr: true,
      privileged: false,
    });
    const attachment = await this.engine.execStart(exec.id, { detach: false }, streams, never);
    await attachment.done;
    const { exitCode } = this.engine.execInspect(exec.id);
    return { output: Buffer.concat(parts).toString(), ...(exitCode !== undefined && { exitCode }) };
  }

  /** Names of what is left in the directories of disks and logs. */
  async leftovers(): Promise<readonly string[]> {
    const names = await Promise.all(
      ['disks', 'logs'].map((name) => readdir(join(this.directory, name)).catch(() => [])),
    );
    return names.flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { id } of this.engine.list({ all: true, filters: {} }))
      await this.engine.remove(id, { force: true, volumes: false });
    await this.engine.settled();
    await this.#opened.disposal.disposeAsync();
    const vmm = await testVmm(this.directory);
    for (const id of await vmm.listStrays(new Set())) await vmm.removeStray(id);
    await rm(this.directory, { recursive: true, force: true });
  }
}

export async function openEngine(directory: string, layer: LayerFile): Promise<Opened> {
  await using disposal = new AsyncDisposableStack();
  const observer = {
    span: () => undefined,
    warn: (message: string, cause: unknown) => console.error(message, cause),
  };
  const { runtime } = await openRuntime(directory, {}, observer);
  disposal.use(runtime);
  const state = disposal.use(new SqliteStateStore(join(directory, 'engine.db')));
  const disks = new SparseDiskStore({ directory: join(directory, 'disks') });
  await disks.prepare(never);
  const engine = new ContainerEngine(
    {
      runtime,
      state,
      disks,
      observer,
      images: new OneLayerImages(layer),
      logs: new FileLogStore({ directory: join(directory, 'logs'), observer }),
      lock: new KeyedLock(),
    },
    { id: 'test', dataDirectory: directory, resolvConf: () => '', warnings: () => [] },
  );
  disposal.defer(() => engine.close());
  await engine.reconcile(never);
  return { engine, disposal: disposal.move() };
}
