/** One booted guest with a busybox layer for the tests of a file. */
import { GuestClient, containerSpec, processSpec } from './guest-client.ts';
import type { ProcessRecord } from './guest-client.ts';
import { GuestMachine, Workspace } from './guest-machine.ts';
import type { Container, Process } from '../../src/guest-protocol/generated.ts';

const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
web:x:33:34:web:/srv/web:/bin/sh
`;
const group = `root:x:0:
adm:x:4:root,web
web:x:34:
extra:x:77:
`;

export const files = { 'etc/passwd': passwd, 'etc/group': group, 'root/': '', 'tmp/': '' } as const;

export class Guest implements AsyncDisposable {
  readonly workspace: Workspace;
  readonly machine: GuestMachine;
  client: GuestClient;
  #next = 1;

  constructor(workspace: Workspace, machine: GuestMachine, client: GuestClient) {
    this.workspace = workspace;
    this.machine = machine;
    this.client = client;
  }

  handle(): number {
    return this.#next++;
  }

  /** The handle given out last. */
  get lastHandle(): number {
    return this.#next - 1;
  }

  /** Plugs a layer in; its serial is its name. */
  async layer(name: string, tree: Readonly<Record<string, string>> = files, busybox = true): Promise<void> {
    await this.machine.plug({
      serial: name,
      path: this.workspace.erofs(name, tree, busybox),
      readonly: true,
    });
  }

  async upper(name: string, megabytes?: number): Promise<void> {
    await this.machine.plug({ serial: name, path: this.workspace.ext4(name, megabytes), readonly: false });
  }

  /** Starts a container on the busybox layer, by default without a disk of its own. */
  async start(
    args: readonly string[],
    process: Partial<Process> = {},
    container: Partial<Container> = {},
  ): Promise<{ readonly container: number; readonly process: number; readonly pid: number }> {
    const handles = { container: this.handle(), process: this.handle() };
    const { pid } = await this.client.request({
      type: 'startContainer',
      container: containerSpec(handles.container, processSpec(handles.process, args, process), {
        layers: [{ serial: 'busybox' }],
        upper: '',
        ...container,
      }),
    });
    return { ...handles, pid };
  }

  /** Runs a shell script to its end and deletes the container. */
  async run(
    script: string,
    process: Partial<Process> = {},
    container: Partial<Container> = {},
  ): Promise<Result> {
    const started = await this.start(['sh', '-c', script], process, container);
    const record = await this.client.drained(
      started.process,
      process.tty === true ? ['stdout'] : ['stdout', 'stderr'],
    );
    await this.client.request({ type: 'releaseProcess', process: started.process });
    await this.client.request({ type: 'deleteContainer', container: started.container });
    return resultOf(record);
  }

  async exec(container: number, script: string, process: Partial<Process> = {}): Promise<Result> {
    const handle = this.handle();
    await this.client.request({
      type: 'exec',
      container,
      process: processSpec(handle, ['sh', '-c', script], process),
    });
    const record = await this.client.drained(
      handle,
      process.tty === true ? ['stdout'] : ['stdout', 'stderr'],
    );
    await this.client.request({ type: 'releaseProcess', process: handle });
    return resultOf(record);
  }

  async remove(container: number, process: number): Promise<void> {
    await this.client.request({ type: 'deleteContainer', container });
    await this.client.ended(process);
    await this.client.request({ type: 'releaseProcess', process });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.machine[Symbol.asyncDispose]();
    this.workspace[Symbol.dispose]();
  }
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function resultOf(record: ProcessRecord): Result {
  return {
    code: record.exit?.exitCode ?? -1,
    stdout: record.output.stdout.toString(),
    stderr: record.output.stderr.toString(),
  };
}

export async function startGuest(
  options: ConstructorParameters<typeof GuestMachine>[1] & { readonly personalised?: boolean } = {},
): Promise<Guest> {
  const workspace = new Workspace();
  const machine = new GuestMachine(workspace, options);
  const client = new GuestClient(await machine.channel());
  const guest = new Guest(workspace, machine, client);
  await client.until(() => client.hello !== undefined);
  await guest.layer('busybox');
  if (options.personalised !== false) {
    await client.request({
      type: 'personalise',
      entropy: Buffer.alloc(32, 7),
      wallClockNs: BigInt(Date.now()) * 1_000_000n,
      hostname: 'pod',
      machineId: '0123456789abcdef'.repeat(2),
      mac: Buffer.from([2, 0x44, 0x56, 0x4d, 0, 1]),
    });
  }
  return guest;
}
