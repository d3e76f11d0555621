/** A microVM with the agent in it, for the agent's own tests: QEMU and nothing between the test and the channel. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { copyFileSync, mkdirSync, symlinkSync, truncateSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const root = join(import.meta.dirname, '../..');
const cache = process.env['DVM_CACHE'] ?? '/var/cache/dvm';

/** DVM_KERNEL, or the newest trimmed kernel in the cache. */
export function kernelPath(): string {
  const named = process.env['DVM_KERNEL'];
  if (named !== undefined) return named;
  const directory = join(cache, 'kernel');
  const built = existsSync(directory)
    ? readdirSync(directory)
        .map((name) => join(directory, name, 'vmlinux'))
        .filter((path) => existsSync(path))
        .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    : [];
  if (built[0] === undefined) throw new Error('no guest kernel in the cache: run guest/kernel/build.sh');
  return built[0];
}

export function initramfsPath(): string {
  return process.env['DVM_INITRAMFS'] ?? join(root, 'build/guest/initramfs.cpio');
}

/**
 * In emulation the guest's time-stamp counter is the host's; on a busy host the guest often fails to measure it, and then
 * counts ticks for ever. The host's own measurement is in its bogomips, which are the counter's MHz twice.
 */
function hostTscKhz(): number {
  const bogomips = /^bogomips\s*:\s*([0-9.]+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
  if (bogomips === undefined) throw new Error('/proc/cpuinfo has no bogomips');
  return Math.round(Number(bogomips) * 500);
}

/** Our kernel finds its devices on its command line. */
const trimmedMachine =
  'microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=off,auto-kernel-cmdline=on,x-option-roms=off';
/** The distribution's finds them by ACPI, and its bzImage is loaded by an option ROM. */
const stockMachine = 'microvm,acpi=on,pit=off,pic=off,rtc=off,isa-serial=off,x-option-roms=on';

export interface GuestDisk {
  readonly serial: string;
  readonly path: string;
  readonly readonly: boolean;
}

/** A directory of its own for disks and sockets, removed in the end. */
export class Workspace implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'dvm-guest-'));

  /** An EROFS image of a tree: path → content, or a link's target behind "-> ", or a directory when it ends in "/". */
  erofs(name: string, tree: Readonly<Record<string, string>>, busybox = true): string {
    const directory = join(this.path, `${name}.tree`);
    mkdirSync(directory);
    if (busybox) {
      mkdirSync(join(directory, 'bin'));
      copyFileSync('/bin/busybox', join(directory, 'bin/busybox'));
      const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
      for (const applet of applets)
        if (applet !== 'busybox') symlinkSync('busybox', join(directory, 'bin', applet));
    }
    for (const [path, content] of Object.entries(tree)) {
      const full = join(directory, path);
      mkdirSync(join(full, '..'), { recursive: true });
      if (path.endsWith('/')) mkdirSync(full, { recursive: true });
      else if (content.startsWith('-> ')) symlinkSync(content.slice(3), full);
      else writeFileSync(full, content, { mode: content.startsWith('#!') ? 0o755 : 0o644 });
    }
    const image = join(this.path, `${name}.erofs`);
    execFileSync('mkfs.erofs', ['--all-root', '-T0', image, directory], { stdio: 'ignore' });
    return image;
  }

  ext4(name: string, megabytes = 64): string {
    const image = join(this.path, `${name}.ext4`);
    writeFileSync(image, '');
    truncateSync(image, megabytes << 20);
    execFileSync('mkfs.ext4', ['-q', '-F', image]);
    return image;
  }

  /** Looks into an ext4 image without mounting it. */
  debugfs(name: string, command: string): string {
    const image = join(this.path, `${name}.ext4`);
    return execFileSync('debugfs', ['-R', command, image], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export class GuestMachine implements AsyncDisposable {
  readonly #qemu: ChildProcess;
  readonly #socket: string;
  readonly #qmpSocket: string;
  readonly #gone: Promise<void>;
  #console = '';

  constructor(
    workspace: Workspace,
    options: {
      readonly vcpus?: number;
      readonly memoryMb?: number;
      readonly initramfs?: string;
      readonly kernel?: string;
    } = {},
  ) {
    this.#socket = join(workspace.path, 'agent.sock');
    this.#qmpSocket = join(workspace.path, 'qmp.sock');
    const append = `console=hvc0 reboot=t tsc=reliable tsc_early_khz=${hostTscKhz()} rcupdate.rcu_expedited=1 mitigations=off no5lvl quiet ${process.env['DVM_APPEND'] ?? ''}`;
    this.#qemu = spawn(
      'qemu-system-x86_64',
      [
        ...['-M', options.kernel === undefined ? trimmedMachine : stockMachine],
        ...[
          '-accel',
          'tcg',
          '-cpu',
          'max',
          '-smp',
          String(options.vcpus ?? 1),
          '-m',
          String(options.memoryMb ?? 512),
        ],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-append', append],
        ...['-kernel', options.kernel ?? kernelPath(), '-initrd', options.initramfs ?? initramfsPath()],
        ...['-qmp', `unix:${this.#qmpSocket},server=on,wait=off`],
        ...['-device', 'virtio-serial-device,max_ports=4', '-chardev', 'stdio,id=console,signal=off'],
        ...['-device', 'virtconsole,chardev=console'],
        ...['-chardev', `socket,id=agent,path=${this.#socket},server=on,wait=off`],
        ...['-device', 'virtserialport,chardev=agent,name=dvm.agent'],
        ...['-device', 'virtio-scsi-device,id=scsi', '-device', 'virtio-rng-device'],
        ...['-netdev', 'user,id=net,restrict=on', '-device', 'virtio-net-device,netdev=net'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [this.#qemu.stdout, this.#qemu.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#console = (this.#console + text).slice(-64_000);
        if (process.env['DVM_TEST_CONSOLE'] !== undefined) process.stderr.write(text);
      });
    }
    this.#gone = new Promise((resolve) => this.#qemu.once('exit', () => resolve()));
  }

  get pid(): number {
    return this.#qemu.pid ?? 0;
  }

  get console(): string {
    return this.#console;
  }

  /** Processor time that QEMU used in a span of time, in ticks of 10 ms. */
  async processorTicks(spanMs: number): Promise<number> {
    const now = (): number => {
      const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return Number(fields[11]) + Number(fields[12]);
    };
    const before = now();
    await setTimeout(spanMs);
    return now() - before;
  }

  /** Resolves when QEMU has ended, by itself or killed. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  async channel(): Promise<Socket> {
    return await this.#connect(this.#socket);
  }

  /** Tries until QEMU listens; fails when it has ended. */
  async #connect(path: string): Promise<Socket> {
    for (;;) {
      const socket = connect(path);
      const result = await new Promise<Error | undefined>((resolve) => {
        socket.once('connect', () => resolve(undefined)).once('error', resolve);
      });
      if (result === undefined) return socket;
      if (this.#qemu.exitCode !== null) throw new Error(`QEMU has ended: ${this.#console}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async plug(disk: GuestDisk): Promise<void> {
    const { serial, path, readonly } = disk;
    await this.qmp(
      [
        'blockdev-add',
        {
          'node-name': `n-${serial}`,
          driver: 'raw',
          'read-only': readonly,
          discard: 'unmap',
          file: { driver: 'file', filename: path, discard: 'unmap' },
        },
      ],
      ['device_add', { driver: 'scsi-hd', id: `d-${serial}`, drive: `n-${serial}`, serial, bus: 'scsi.0' }],
    );
  }

  /** Resolves when the guest has seen it go. */
  async unplug(serial: string): Promise<void> {
    await this.qmp(['device_del', { id: `d-${serial}` }], 'DEVICE_DELETED', [
      'blockdev-del',
      { 'node-name': `n-${serial}` },
    ]);
  }

  /** Commands, and names of events to wait for. */
  async qmp(...steps: readonly (readonly [name: string, args?: object] | string)[]): Promise<void> {
    const socket = await this.#connect(this.#qmpSocket);
    socket.setEncoding('utf8');
    let text = '';
    let wake = (): void => undefined;
    socket.on('data', (chunk: string) => {
      text += chunk;
      wake();
    });
    const events: string[] = [];
    const line = async (): Promise<string> => {
      for (;;) {
        const end = text.indexOf('\n');
        if (end >= 0) {
          const one = text.slice(0, end);
          text = text.slice(end + 1);
          return one;
        }
        await new Promise<void>((resolve) => (wake = resolve));
      }
    };
    const answered = async (): Promise<string> => {
      for (;;) {
        const one = await line();
        if (!one.includes('"event"')) return one;
        events.push(one);
      }
    };
    await answered();
    for (const step of [['qmp_capabilities'] as const, ...steps]) {
      if (typeof step === 'string') {
        while (!events.some((event) => event.includes(step))) events.push(await line());
        continue;
      }
      const [execute, args] = step;
      socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
      const answer = await answered();
      if (answer.includes('"error"')) throw new Error(`QMP ${execute}: ${answer}`);
    }
    socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#qemu.kill('SIGKILL');
    await this.#gone;
  }
}
