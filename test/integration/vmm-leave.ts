/** A daemon that launches machines and dies: prints their records, then kills itself. For vmm-reattach.test.ts. */
import { openQemuVmm } from '../../src/vmm/qemu/open-qemu-vmm.ts';
import type { QemuVmmOptions } from '../../src/vmm/qemu/open-qemu-vmm.ts';
import type { MachineSpec, MachineTemplate } from '../../src/engine/ports/vmm.ts';

interface Order {
  readonly options: QemuVmmOptions;
  readonly template: MachineTemplate;
  readonly spec: MachineSpec;
  readonly disk: string;
}

const { options, template, spec, disk } = JSON.parse(process.argv[2] ?? '') as Order;
const signal = AbortSignal.timeout(60_000);
const vmm = await openQemuVmm(options, signal);
const machine = await vmm.clone(template, spec, signal);
const serials = [];
for (let n = 0; n < 18; n++) {
  serials.push(await machine.attachDisk({ serial: `disk${n}`, path: disk, readonly: true }, signal));
}
process.stdout.write(JSON.stringify({ record: machine.record, serials }), () =>
  process.kill(process.pid, 'SIGKILL'),
);
