/** A machine that runs: what can be done with it, and its end. */
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Json } from '../../engine/model/json.ts';
import type { DiskSpec, Machine, MachineExit, MachineTemplate } from '../../engine/ports/vmm.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { Cgroup } from '../../system/cgroup.ts';
import { OutputTail } from '../../system/output-tail.ts';
import { connectToUnixSocket } from '../../system/unix-socket.ts';
import type { DiskPlugs } from './disk-plugs.ts';
import { consoleBytes } from './machine-layout.ts';
import { recordToJson, removeMachineDirectory } from './machine-files.ts';
import type { MachineFiles, MachineRecord } from './machine-files.ts';
import type { QmpClient } from './qmp-client.ts';
import { saveTemplate } from './save-template.ts';
import type { TemplateSource } from './save-template.ts';
import { endAfterHangUp, killVmmProcess } from './vmm-process.ts';
import type { VmmProcess } from './vmm-process.ts';

export interface QemuMachineParts {
  readonly record: MachineRecord;
  readonly files: MachineFiles;
  readonly process: VmmProcess;
  readonly qmp: QmpClient;
  readonly disks: DiskPlugs;
  /** Only a machine that was booted to become a template. */
  readonly templateSource?: TemplateSource;
}

const farewellTimeoutMs = 2000;

export class QemuMachine implements Machine {
  readonly id: string;
  readonly record: Json;
  readonly pid: number;
  readonly exited: Promise<MachineExit>;
  readonly #parts: QemuMachineParts;
  readonly #console = new OutputTail(consoleBytes);
  #removal: Promise<void> | undefined;

  constructor(parts: QemuMachineParts) {
    this.#parts = parts;
    this.id = parts.record.id;
    this.record = recordToJson(parts.record);
    this.pid = parts.record.pid;
    this.exited = this.#watch();
  }

  connectChannel(signal: AbortSignal): Promise<Duplex> {
    signal.throwIfAborted();
    return Promise.resolve(connectToUnixSocket(this.#parts.files.channelSocket).socket);
  }

  async attachDisk(disk: DiskSpec, signal: AbortSignal): Promise<string> {
    return await this.#parts.disks.attach(disk, signal);
  }

  async detachDisk(serial: string, signal: AbortSignal): Promise<void> {
    await this.#parts.disks.detach(serial, signal);
  }

  async pause(signal: AbortSignal): Promise<void> {
    await this.#parts.qmp.execute('stop', {}, signal);
  }

  async resume(signal: AbortSignal): Promise<void> {
    await this.#parts.qmp.execute('cont', {}, signal);
  }

  async saveTemplate(signal: AbortSignal): Promise<MachineTemplate> {
    const source = this.#parts.templateSource;
    if (source === undefined) {
      throw new EngineError('failed_precondition', `machine ${this.id} was not booted to become a template`);
    }
    await saveTemplate(source, this.#parts.qmp, () => this.kill(), signal);
    return { directory: source.directory, shape: source.shape };
  }

  async console(): Promise<string> {
    try {
      await this.#readConsole(AbortSignal.timeout(farewellTimeoutMs));
    } catch (error) {
      // Of a VMM that is gone or hangs, what was read before is all there is.
      if (!(error instanceof EngineError) && !(error instanceof DOMException)) throw error;
    }
    return this.#console.text();
  }

  async letGo(): Promise<void> {
    await this.#parts.qmp.letGo();
  }

  kill(): Promise<void> {
    this.#removal ??= this.#remove();
    return this.#removal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #remove(): Promise<void> {
    const { record, files, process, qmp } = this.#parts;
    await killVmmProcess(process);
    qmp.close();
    await new Cgroup(record.cgroups, record.id).remove();
    await removeMachineDirectory(files);
  }

  /** Reading takes the bytes out of QEMU's ring: they are kept here. */
  async #readConsole(signal: AbortSignal): Promise<void> {
    const read = await this.#parts.qmp.execute(
      'ringbuf-read',
      { device: 'console', size: consoleBytes, format: 'base64' },
      signal,
    );
    if (typeof read === 'string') this.#console.push(Buffer.from(read, 'base64'));
  }

  async #watch(): Promise<MachineExit> {
    const { process, qmp } = this.#parts;
    // Power-off, reset and panic only pause QEMU, so that there is time to read what the guest said last.
    const listening = qmp.listen(({ name }) => {
      if (name === 'SHUTDOWN') void this.#sayFarewell();
    });
    void endAfterHangUp(process, qmp.closed);
    const end = await process.ended;
    listening[Symbol.dispose]();
    const lastWords = [process.lastWords(), this.#console.text().trim()]
      .filter((words) => words !== '')
      .join('\n');
    return { ...end, lastWords };
  }

  async #sayFarewell(): Promise<void> {
    const signal = AbortSignal.timeout(farewellTimeoutMs);
    const { process, qmp } = this.#parts;
    // Whatever fails here: it has to be gone, and `exited` tells.
    await Promise.allSettled([this.#readConsole(signal), qmp.execute('quit', {}, signal)]);
    await Promise.race([process.ended, delay(farewellTimeoutMs, undefined, { ref: false })]);
    await killVmmProcess(process);
  }
}
