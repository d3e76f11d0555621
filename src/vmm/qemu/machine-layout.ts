/**
 * What devices every machine has. A clone must have exactly what its template had, so this is part of a template's
 * identity: whoever changes it, or `command-line.ts`, raises `layoutVersion`.
 */
export const layoutVersion = 3;

/**
 * Prepared disks. The guest has found them before the template is taken; a file is put behind one when it is needed
 * (docs/decisions/0010-disk-slots.md). Read-only and writable are told apart when the guest looks at them first.
 */
export interface DiskSlot {
  readonly serial: string;
  readonly readonly: boolean;
  /** On the one virtio-scsi controller. */
  readonly lun: number;
}

const readonlySlots = 16;
const writableSlots = 4;
/** What the guest sees: more than any file, so that it never has to look again. */
export const slotBytes = 1024 ** 4;

export const diskSlots: readonly DiskSlot[] = [
  ...Array.from({ length: readonlySlots }, (_, n) => ({
    serial: slotSerial('ro', n),
    readonly: true,
    lun: n,
  })),
  ...Array.from({ length: writableSlots }, (_, n) => ({
    serial: slotSerial('rw', n),
    readonly: false,
    lun: readonlySlots + n,
  })),
];

function slotSerial(kind: 'ro' | 'rw', index: number): string {
  return `${kind}${String(index).padStart(2, '0')}`;
}

/** Disks beyond the slots are hot-added at these units; the guest's SCSI layer scans up to 255. */
export const firstHotplugLun = diskSlots.length;
export const maxDisks = 128;

export const channelPortName = 'dvm.agent';
/** What `console()` can show: a hostile guest writes as much as it likes and costs no more than this. */
export const consoleBytes = 64 << 10;

/** Descriptors the VMM starts with, beside its standard streams; `state` (as descriptor set) and `memory` only a clone. */
export const inheritedDescriptors = { qmp: 3, channel: 4, state: 5, memory: 6, stateSet: 1 } as const;
