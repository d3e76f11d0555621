/** QEMU's arguments. Values that may hold a comma go in as JSON, which needs no quoting. */
import type { Accelerator, MachineShape } from '../../engine/ports/vmm.ts';
import type { Json } from '../../engine/model/json.ts';
import { kernelCommandLine } from './kernel-command-line.ts';
import { memoryRegions } from './memory-layout.ts';
import type { MemoryRegion } from './memory-layout.ts';
import {
  channelPortName,
  consoleBytes,
  diskSlots,
  inheritedDescriptors,
  slotBytes,
} from './machine-layout.ts';

/** How a machine comes to life. */
export type MachineStart =
  | { readonly kind: 'boot' }
  | { readonly kind: 'templateSource'; readonly memoryPath: string }
  | { readonly kind: 'clone'; readonly memoryPath: string; readonly statePath: string };

export interface CommandLineContext {
  readonly accelerator: Accelerator;
  readonly tscKhz: number | undefined;
  /** An empty directory that becomes the VMM's root. */
  readonly emptyRoot: string;
}

export interface CommandLineMachine {
  readonly id: string;
  readonly shape: MachineShape;
  readonly uid: number;
  readonly gid: number;
}

export function commandLine(
  context: CommandLineContext,
  machine: CommandLineMachine,
  start: MachineStart,
): string[] {
  const { shape } = machine;
  return [
    ...['-name', vmmName(machine.id)],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    // Power-off and panic leave QEMU there until we have read what the guest said last; then we end it.
    ...['-action', 'shutdown=pause'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny'],
    ...['-run-with', `chroot=${quoteComma(context.emptyRoot)},user=${machine.uid}:${machine.gid}`],
    ...['-machine', machineOptions(shape)],
    // MiB of translated code, touched as it is used: an idle clone has 4. With 32 a Node program takes twice as long.
    ...['-accel', context.accelerator === 'kvm' ? 'kvm' : 'tcg,tb-size=128,thread=multi'],
    ...['-cpu', context.accelerator === 'kvm' ? 'host' : 'max,la57=off'],
    ...['-smp', String(shape.vcpus)],
    ...['-m', `size=${shape.memoryBytes}b`],
    ...memoryOptions(shape, start),
    ...startOptions(context, shape, start),
    ...controlOptions(),
    ...channelOptions(),
    ...diskOptions(),
    ...networkOptions(),
    ...['-object', json({ 'qom-type': 'rng-builtin', id: 'rng' })],
    ...['-device', json({ driver: 'virtio-rng-device', rng: 'rng' })],
    // Not for its balloon: through it the guest tells which pages it has freed.
    ...['-device', json({ driver: 'virtio-balloon-device', 'free-page-reporting': true })],
  ];
}

/** Stands in the process's arguments, where a process that has no record any more is found by it. */
export function vmmName(id: string): string {
  return `dvm-${id}`;
}

function machineOptions(shape: MachineShape): string {
  // Our own kernel finds its devices on its command line; others need ACPI for that, and then must not find a timer
  // that they would leave running.
  const trimmed = shape.kernel.kind === 'trimmed';
  const devices = trimmed
    ? 'acpi=off,pit=on,pic=on,rtc=on,x-option-roms=off'
    : 'acpi=on,pit=off,pic=off,rtc=off,x-option-roms=on';
  return `microvm,${devices},isa-serial=off,usb=off,pcie=off,dump-guest-core=off,mem-merge=off`;
}

/** Several blocks of memory are said to be NUMA nodes: the guest has no table that would tell it so. */
function memoryOptions(shape: MachineShape, start: MachineStart): readonly string[] {
  if (start.kind === 'boot') return [];
  return memoryRegions(shape).flatMap((region, node) => [
    ...['-object', json(memoryBackend(region, start))],
    ...['-numa', `node,nodeid=${node},memdev=${region.id}${node === 0 ? `,cpus=0-${shape.vcpus - 1}` : ''}`],
  ]);
}

function memoryBackend(region: MemoryRegion, start: MachineStart & { readonly memoryPath: string }): Json {
  const { id, sizeBytes: size, offsetBytes: offset } = region;
  const backend = { 'qom-type': 'memory-backend-file', id, size, offset };
  if (start.kind === 'templateSource') return { ...backend, 'mem-path': start.memoryPath, share: true };
  // A clone maps the template's file privately and cannot write to it even if it is broken into.
  if (region.shared)
    return { ...backend, 'mem-path': start.memoryPath, share: false, readonly: true, rom: 'off' };
  return { ...backend, 'mem-path': `/proc/self/fd/${inheritedDescriptors.memory}`, share: true };
}

function startOptions(
  context: CommandLineContext,
  shape: MachineShape,
  start: MachineStart,
): readonly string[] {
  if (start.kind === 'clone') {
    const { state, stateSet } = inheritedDescriptors;
    return ['-incoming', 'defer', '-add-fd', `fd=${state},set=${stateSet}`];
  }
  return [
    ...['-S'], // the first instruction runs in the cage: QEMU changes root and user after it has set up its machine
    ...['-kernel', shape.kernel.path],
    ...['-initrd', shape.initramfsPath],
    ...['-append', kernelCommandLine(shape.kernel, context.accelerator, context.tscKhz)],
  ];
}

function controlOptions(): readonly string[] {
  return [
    ...['-chardev', `socket,id=qmp,fd=${inheritedDescriptors.qmp},server=on,wait=off`],
    ...['-mon', 'chardev=qmp,mode=control'],
  ];
}

function channelOptions(): readonly string[] {
  return [
    ...['-device', json({ driver: 'virtio-serial-device', id: 'serial', max_ports: 2 })],
    ...['-chardev', `ringbuf,id=console,size=${consoleBytes}`],
    ...['-device', json({ driver: 'virtconsole', bus: 'serial.0', nr: 0, chardev: 'console' })],
    ...['-chardev', `socket,id=channel,fd=${inheritedDescriptors.channel},server=on,wait=off`],
    ...[
      '-device',
      json({ driver: 'virtserialport', bus: 'serial.0', nr: 1, chardev: 'channel', name: channelPortName }),
    ],
  ];
}

function diskOptions(): readonly string[] {
  return [
    ...['-device', json({ driver: 'virtio-scsi-device', id: 'scsi' })],
    ...diskSlots.flatMap((slot) => [
      ...['-blockdev', json(emptySlotNode(slot.serial, slot.readonly))],
      ...[
        '-device',
        json({
          driver: 'scsi-hd',
          bus: 'scsi.0',
          lun: slot.lun,
          id: slot.serial,
          serial: slot.serial,
          drive: emptySlotName(slot.serial),
        }),
      ],
    ]),
  ];
}

/** What is behind a slot while it is not used: zeroes, and writes go nowhere. */
function emptySlotNode(serial: string, readonly: boolean): Json {
  return {
    driver: 'null-co',
    'node-name': emptySlotName(serial),
    size: slotBytes,
    'read-zeroes': true,
    'read-only': readonly,
  };
}

export function emptySlotName(serial: string): string {
  return `empty-${serial}`;
}

/** A card without a cable: see docs/decisions/0013-network-card-in-the-template.md. */
function networkOptions(): readonly string[] {
  return [
    ...['-netdev', 'hubport,id=net0,hubid=0'],
    ...['-device', json({ driver: 'virtio-net-device', netdev: 'net0', mac: '02:00:00:00:00:01' })],
  ];
}

function json(value: Json): string {
  return JSON.stringify(value);
}

/** In QEMU's key=value syntax a comma in a value is written twice. */
function quoteComma(value: string): string {
  return value.replaceAll(',', ',,');
}
