/**
 * A machine's disks: which file is behind which slot, and what was hot-added beyond the slots. What is plugged in can be
 * read back from QEMU by the names of its block nodes, so a new daemon knows as much as the old one.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Json } from '../../engine/model/json.ts';
import type { DiskSpec } from '../../engine/ports/vmm.ts';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import { isErrno } from '../../system/errno.ts';
import { emptySlotName } from './command-line.ts';
import { diskSlots, firstHotplugLun, maxDisks } from './machine-layout.ts';
import type { DiskSlot } from './machine-layout.ts';
import { asRecord } from './qmp-client.ts';
import type { QmpClient } from './qmp-client.ts';

/** Where a disk is plugged in; `node` names its block node in QEMU. */
interface Plug {
  readonly serial: string;
  readonly lun: number;
  readonly node: string;
  readonly slot: DiskSlot | undefined;
}

const detachTimeoutMs = 10_000;

export class DiskPlugs {
  readonly #qmp: QmpClient;
  /** By the serial the guest sees. */
  readonly #plugged = new Map<string, Plug>();
  #lastDescriptorSet = 0;

  constructor(qmp: QmpClient) {
    this.#qmp = qmp;
  }

  /** Finds out what is plugged in, after the daemon was replaced. */
  async rediscover(signal: AbortSignal): Promise<void> {
    const nodes = await this.#qmp.execute('query-named-block-nodes', { flat: true }, signal);
    if (!Array.isArray(nodes)) throw new EngineError('internal', 'QEMU did not list its block nodes');
    for (const node of nodes) {
      const plug = plugOfNode(asRecord(node)?.['node-name']);
      if (plug !== undefined) this.#plugged.set(plug.serial, plug);
    }
    const sets = await this.#qmp.execute('query-fdsets', {}, signal);
    const numbers = Array.isArray(sets) ? sets.map((set) => Number(asRecord(set)?.['fdset-id'])) : [];
    this.#lastDescriptorSet = Math.max(0, ...numbers.filter(Number.isSafeInteger));
  }

  async attach(disk: DiskSpec, signal: AbortSignal): Promise<string> {
    const plug = this.#choose(disk);
    this.#plugged.set(plug.serial, plug); // taken, from here on
    try {
      await using file = await openDisk(disk);
      await this.#plugIn(plug, disk.readonly, file.fd, signal);
      return plug.serial;
    } catch (error) {
      await this.#undo(plug);
      throw error;
    }
  }

  async detach(serial: string, signal: AbortSignal): Promise<void> {
    const plug = this.#plugged.get(serial);
    if (plug === undefined) throw new EngineError('not_found', `no disk ${serial} is plugged in`);
    if (plug.slot !== undefined)
      await this.#showFile(plug.slot.serial, emptySlotName(plug.slot.serial), signal);
    else await this.#removeDevice(plug, signal);
    await this.#qmp.execute('blockdev-del', { 'node-name': plug.node }, signal);
    this.#plugged.delete(serial);
  }

  #choose(disk: DiskSpec): Plug {
    if (!/^[A-Za-z0-9_-]{1,20}$/.test(disk.serial)) {
      throw new EngineError('invalid_argument', `"${disk.serial}" is no disk serial`);
    }
    const slot = diskSlots.find((free) => free.readonly === disk.readonly && !this.#plugged.has(free.serial));
    if (slot !== undefined) return slotPlug(slot);
    if (this.#plugged.has(disk.serial) || diskSlots.some((other) => other.serial === disk.serial)) {
      throw new EngineError('already_exists', `a disk ${disk.serial} is plugged in already`);
    }
    const used = new Set([...this.#plugged.values()].map((plug) => plug.lun));
    for (let lun = firstHotplugLun; lun < maxDisks; lun++)
      if (!used.has(lun)) return hotPlug(disk.serial, lun);
    throw new EngineError(
      'resource_exhausted',
      `cannot plug in disk ${disk.serial}: a machine has ${maxDisks} at most`,
    );
  }

  /** The commands are sent together and answered in order: one round trip. */
  async #plugIn(plug: Plug, readonly: boolean, fd: number, signal: AbortSignal): Promise<void> {
    const set = ++this.#lastDescriptorSet;
    const steps = [
      this.#qmp.executeWithDescriptor('add-fd', { 'fdset-id': set }, fd, signal),
      this.#qmp.execute('blockdev-add', fileNode(plug.node, `/dev/fdset/${set}`, readonly), signal),
      // The block node has a duplicate of its own; when it goes, so does the set.
      this.#qmp.execute('remove-fd', { 'fdset-id': set }, signal),
      plug.slot !== undefined
        ? this.#showFile(plug.slot.serial, plug.node, signal)
        : this.#qmp.execute('device_add', deviceOf(plug), signal),
    ];
    const failed = (await Promise.allSettled(steps)).find((step) => step.status === 'rejected');
    if (failed !== undefined) {
      throw new EngineError('internal', `cannot plug in disk ${plug.serial}: ${messageOf(failed.reason)}`, {
        cause: failed.reason,
      });
    }
  }

  async #showFile(slotSerial: string, node: string, signal: AbortSignal): Promise<void> {
    const path = `/machine/peripheral/${slotSerial}`;
    await this.#qmp.execute('qom-set', { path, property: 'drive', value: node }, signal);
  }

  async #removeDevice(plug: Plug, signal: AbortSignal): Promise<void> {
    const id = deviceId(plug);
    const deleted = this.#qmp.waitFor(
      (event) => event.name === 'DEVICE_DELETED' && event.data['device'] === id,
      signal,
    );
    deleted.catch(() => undefined); // reported below, unless device_del itself was refused
    await this.#qmp.execute('device_del', { id }, signal);
    await deleted;
  }

  /** Takes back whatever part of plugging in was done; the first error is the one to report. */
  async #undo(plug: Plug): Promise<void> {
    const signal = AbortSignal.timeout(detachTimeoutMs);
    const steps = [
      plug.slot !== undefined
        ? this.#showFile(plug.slot.serial, emptySlotName(plug.slot.serial), signal)
        : this.#removeDevice(plug, signal),
      this.#qmp.execute('blockdev-del', { 'node-name': plug.node }, signal),
    ];
    const [first] = await Promise.allSettled(steps);
    // A slot that could not be emptied stays taken.
    if (plug.slot === undefined || first?.status === 'fulfilled') this.#plugged.delete(plug.serial);
  }
}

async function openDisk(disk: DiskSpec): Promise<FileHandle> {
  const access = disk.readonly ? constants.O_RDONLY : constants.O_RDWR;
  let file: FileHandle;
  try {
    // Not through a link, and not waiting for a pipe's other end.
    file = await open(disk.path, access | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = isErrno(error, 'ENOENT')
      ? 'not_found'
      : isErrno(error, 'EACCES', 'EROFS')
        ? 'permission_denied'
        : 'internal';
    throw new EngineError(code, `cannot open disk ${disk.path}: ${messageOf(error)}`, { cause: error });
  }
  try {
    if ((await file.stat()).isFile()) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  throw new EngineError('invalid_argument', `disk ${disk.path} is not a regular file`);
}

function fileNode(name: string, filename: string, readonly: boolean): Readonly<Record<string, Json>> {
  return {
    driver: 'raw',
    'node-name': name,
    'read-only': readonly,
    discard: readonly ? 'ignore' : 'unmap', // what the guest trims goes back to the host
    // No locks: QEMU probes for them through /dev/null, which its root does not have. Whom a disk belongs to is known.
    file: {
      driver: 'file',
      filename,
      'read-only': readonly,
      discard: readonly ? 'ignore' : 'unmap',
      locking: 'off',
    },
  };
}

function deviceOf(plug: Plug): Readonly<Record<string, Json>> {
  return {
    driver: 'scsi-hd',
    bus: 'scsi.0',
    lun: plug.lun,
    drive: plug.node,
    id: deviceId(plug),
    serial: plug.serial,
  };
}

function deviceId(plug: Plug): string {
  return `disk-${plug.lun}`;
}

function slotPlug(slot: DiskSlot): Plug {
  return { serial: slot.serial, lun: slot.lun, node: `slot-${slot.serial}`, slot };
}

/** At most 29 characters; QEMU takes 31. */
function hotPlug(serial: string, lun: number): Plug {
  return { serial, lun, node: `hot-${lun}-${serial}`, slot: undefined };
}

function plugOfNode(name: unknown): Plug | undefined {
  if (typeof name !== 'string') return undefined;
  const slot = diskSlots.find((one) => name === `slot-${one.serial}`);
  if (slot !== undefined) return slotPlug(slot);
  const [, lun, serial] = /^hot-(\d{1,3})-([A-Za-z0-9_-]{1,20})$/.exec(name) ?? [];
  return lun === undefined || serial === undefined ? undefined : hotPlug(serial, Number(lun));
}
