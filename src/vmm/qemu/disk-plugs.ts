/**
 * A machine's disks: which file is behind which slot, and what was hot-added beyond the slots. What is plugged in can be
 * read back from QEMU by the names of its block nodes, so a new daemon knows as much as the old one.
 */
import type { Json } from '../../engine/model/json.ts';
import type { DiskSpec } from '../../engine/ports/vmm.ts';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import { emptySlotName } from './command-line.ts';
import { fileNode, openDisk } from './disk-file.ts';
import { diskSlots, firstHotplugLun, maxDisks } from './machine-layout.ts';
import type { DiskSlot } from './machine-layout.ts';
import { asRecord } from './qmp-client.ts';
import type { QmpClient } from './qmp-client.ts';

/** Where a disk is plugged in. */
interface Plug {
  readonly serial: string;
  readonly lun: number;
  /** Names its block node in QEMU. */
  readonly node: string;
  readonly slot: DiskSlot | undefined;
  /**
   * Whether the guest sees it: the slot's drive is the node, or the device is there. QEMU 10.0 dies of an assertion when
   * a drive is set to the node it has already, so this has to be known and not guessed.
   */
  visible: boolean;
}

/** QEMU answers in a millisecond. A change is never given up half-way: nobody would know what is there. */
const answerTimeoutMs = 10_000;

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
      if (plug !== undefined)
        this.#plugged.set(plug.serial, { ...plug, visible: await this.#isVisible(plug, signal) });
    }
    const sets = await this.#qmp.execute('query-fdsets', {}, signal);
    const numbers = Array.isArray(sets) ? sets.map((set) => Number(asRecord(set)?.['fdset-id'])) : [];
    this.#lastDescriptorSet = Math.max(0, ...numbers.filter(Number.isSafeInteger));
  }

  async attach(disk: DiskSpec, signal: AbortSignal): Promise<string> {
    await using file = await openDisk(disk);
    signal.throwIfAborted();
    const plug = this.#choose(disk);
    this.#plugged.set(plug.serial, plug); // taken, from here on
    try {
      await this.#plugIn(plug, disk.readonly, file.fd);
    } catch (error) {
      await this.#unplug(plug).catch(() => undefined); // then it stays taken; the first error is the one to report
      throw error;
    }
    return plug.serial;
  }

  async detach(serial: string, signal: AbortSignal): Promise<void> {
    const plug = this.#plugged.get(serial);
    if (plug === undefined) throw new EngineError('not_found', `no disk ${serial} is plugged in`);
    signal.throwIfAborted();
    await this.#unplug(plug);
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
  async #plugIn(plug: Plug, readonly: boolean, fd: number): Promise<void> {
    const signal = AbortSignal.timeout(answerTimeoutMs);
    const set = ++this.#lastDescriptorSet;
    const steps = [
      this.#qmp.executeWithDescriptor('add-fd', { 'fdset-id': set }, fd, signal),
      this.#qmp.execute('blockdev-add', fileNode(plug.node, `/dev/fdset/${set}`, readonly), signal),
      // The block node has a duplicate of its own; when it goes, so does the set.
      this.#qmp.execute('remove-fd', { 'fdset-id': set }, signal),
      this.#show(plug, signal),
    ];
    const failed = (await Promise.allSettled(steps)).find((step) => step.status === 'rejected');
    if (failed === undefined) return;
    const why = messageOf(failed.reason);
    throw new EngineError('internal', `cannot plug in disk ${plug.serial}: ${why}`, { cause: failed.reason });
  }

  async #unplug(plug: Plug): Promise<void> {
    const signal = AbortSignal.timeout(answerTimeoutMs);
    await this.#hide(plug, signal);
    try {
      await this.#qmp.execute('blockdev-del', { 'node-name': plug.node }, signal);
    } catch (error) {
      if (await this.#hasNode(plug.node, signal)) throw error; // else it was never added
    }
    this.#plugged.delete(plug.serial);
  }

  async #show(plug: Plug, signal: AbortSignal): Promise<void> {
    if (plug.slot !== undefined) await this.#setDrive(plug.slot, plug.node, signal);
    else await this.#qmp.execute('device_add', deviceOf(plug), signal);
    plug.visible = true;
  }

  async #hide(plug: Plug, signal: AbortSignal): Promise<void> {
    if (!plug.visible) return;
    if (plug.slot !== undefined) await this.#setDrive(plug.slot, emptySlotName(plug.slot.serial), signal);
    else await this.#removeDevice(plug, signal);
    plug.visible = false;
  }

  async #isVisible(plug: Plug, signal: AbortSignal): Promise<boolean> {
    if (plug.slot === undefined) {
      const devices = await this.#qmp.execute('qom-list', { path: '/machine/peripheral' }, signal);
      return (
        Array.isArray(devices) && devices.some((device) => asRecord(device)?.['name'] === deviceId(plug))
      );
    }
    return (await this.#qmp.execute('qom-get', driveOf(plug.slot), signal)) === plug.node;
  }

  async #hasNode(name: string, signal: AbortSignal): Promise<boolean> {
    const nodes = await this.#qmp.execute('query-named-block-nodes', { flat: true }, signal);
    return !Array.isArray(nodes) || nodes.some((node) => asRecord(node)?.['node-name'] === name);
  }

  async #setDrive(slot: DiskSlot, node: string, signal: AbortSignal): Promise<void> {
    await this.#qmp.execute('qom-set', { ...driveOf(slot), value: node }, signal);
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
}

function driveOf(slot: DiskSlot): { path: string; property: string } {
  return { path: `/machine/peripheral/${slot.serial}`, property: 'drive' };
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
  return { serial: slot.serial, lun: slot.lun, node: `slot-${slot.serial}`, slot, visible: false };
}

/** At most 29 characters; QEMU takes 31. */
function hotPlug(serial: string, lun: number): Plug {
  return { serial, lun, node: `hot-${lun}-${serial}`, slot: undefined, visible: false };
}

function plugOfNode(name: unknown): Plug | undefined {
  if (typeof name !== 'string') return undefined;
  const slot = diskSlots.find((one) => name === `slot-${one.serial}`);
  if (slot !== undefined) return slotPlug(slot);
  const [, lun, serial] = /^hot-(\d{1,3})-([A-Za-z0-9_-]{1,20})$/.exec(name) ?? [];
  return lun === undefined || serial === undefined ? undefined : hotPlug(serial, Number(lun));
}
