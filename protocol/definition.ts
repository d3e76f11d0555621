/**
 * The guest channel: the contract between dvmd and the agent (PID 1 of the microVM).
 *
 * One byte stream per sandbox. `generate.ts` turns this file into `src/guest-protocol/generated.ts` and
 * `guest/agent/protocol.gen.{h,c}`; `gen-N.json` freezes a released generation and a test compares it with the live
 * definition. Opcodes and enum values are explicit and are never reused.
 *
 * ## Connecting
 * The host writes a sync block, the agent answers with one, then sends `hello`:
 *   host → agent  SYNC_ZEROS zero bytes (left out on the first connection to a fresh agent), then
 *                 magic[16] = SYNC_HOST, u32 session, u32 generation, u64 nonce
 *   agent → host  magic[16] = SYNC_AGENT, u32 session, u32 generation, u64 nonce (the same one)
 * `session` is random with four non-zero bytes; it stands in every frame's header and trailer. A daemon that died
 * half-way through a frame leaves the agent with a part of one: the zeros fill it up, its trailer does not match, the
 * frame is dropped unseen, and the agent hunts for the next SYNC_HOST. Likewise the host drops what it reads until it
 * meets SYNC_AGENT with its own nonce, which no container can have known.
 *
 * ## Frames
 *   header   u32 length (of the payload), u32 session, u16 opcode, u16 zero, u32 id
 *   payload  `length` bytes, at most MAX_PAYLOAD
 *   trailer  u32 session
 * Little endian. `id` is the request's number (host → agent requests and their replies; chosen by the host, never 0) or
 * the process handle (stream frames) or 0 (events).
 *
 * ## Streams
 * Bytes of a process's streams are addressed by absolute offset. Data frames carry u64 offset and then bytes (at most
 * MAX_DATA). The receiver grants `limit` (absolute: may be sent up to there) and acknowledges `acked` (absolute: is safe
 * on the host's disk, may be forgotten). The sender keeps what is not acknowledged, up to STREAM_WINDOW bytes, and after
 * a reconnect sends again from the offset the host names in `streamResume`. A guest whose channel nobody reads blocks,
 * it does not drop.
 * Every stream begins, in both directions, with acked 0 and limit STREAM_WINDOW, unsaid. `limit` never falls. A stream
 * that does not exist (stderr of a terminal, both of `discardOutput`) is silent: no data, no `closed`. After a reconnect
 * the agent sends no data of a stream before its `streamResume` came, repeats `closed` once the stream's last byte was
 * sent again, sends a `stdinWindow` for each process whose stdin is open right after `hello`, and no `exited` for a
 * process that `hello` already told as exited.
 */

export const generation = 1;

export const limits = {
  MAX_PAYLOAD: 1 << 20,
  /** Bytes of stream data in one data frame. */
  MAX_DATA: 32 << 10,
  /** How much unacknowledged data the sender of a stream keeps. */
  STREAM_WINDOW: 256 << 10,
  /** Zeros before the sync block: more than any partial frame can want. */
  SYNC_ZEROS: (1 << 20) + 64,
} as const;

/** 16 bytes each. */
export const syncMagic = { host: '\xd5DVM-SYNC-HOST\r\n', agent: '\xd5DVM-SYNC-GUEST\n' } as const;

/**
 * Field types: u8 u16 u32 u64 i32 i64 bool, string (u32 length + UTF-8 without NUL), bytes (u32 length + bytes),
 * list<T> (u32 count + items), a struct's name (its fields in order), an enum's name (u8), or as a stream message's
 * last field rest (the frame's remaining bytes, at most MAX_DATA).
 * u64/i64 are `bigint` in TypeScript where they carry offsets or times (`number` never).
 */
export const enums = {
  Stream: { stdin: 0, stdout: 1, stderr: 2 },
  ErrorCode: {
    internal: 1,
    invalid: 2,
    notFound: 3, // container, process, file
    exists: 4,
    commandNotFound: 5, // exit code 127
    commandNotExecutable: 6, // exit code 126
    userNotFound: 7,
    diskNotFound: 8,
    mountFailed: 9,
    noSpace: 10,
    noMemory: 11,
    notRunning: 12,
    unsupported: 13,
    workdirNotUsable: 14,
  },
  /** What kind of mount `Mount` asks for; the flags are MS_* bits. */
  MountType: { tmpfs: 1, proc: 2, sysfs: 3, devpts: 4, mqueue: 5, cgroup2: 6, bind: 7, disk: 8 },
  ProcessState: { running: 1, exited: 2 },
  /** How much of its machine a container sees and may change. */
  Privilege: { standard: 0, privileged: 1 },
} as const;

export const structs = {
  /** A disk is found by its serial number (at most 20 characters), never by name order. */
  Layer: { serial: 'string' },
  Rlimit: { resource: 'u8', soft: 'u64', hard: 'u64' },
  Sysctl: { key: 'string', value: 'string' },
  Mount: {
    type: 'MountType',
    /** A disk's serial, or for `bind` a path in the pod's own mount namespace; else empty. */
    source: 'string',
    target: 'string', // absolute, in the container; made when missing, resolved inside the container's root
    flags: 'u64', // MS_RDONLY, MS_NOSUID, …
    options: 'string', // the file system's own, e.g. size=65536k,mode=1777
  },
  /** A file put into the container's root before its process starts (in a tmpfs over it when `overlaid`). */
  InjectedFile: { path: 'string', mode: 'u32', uid: 'u32', gid: 'u32', overlaid: 'bool', content: 'bytes' },
  Resources: {
    memoryMax: 'u64', // bytes, 0 = no limit
    memoryLow: 'u64',
    swapMax: 'i64', // bytes, -1 = no limit
    cpuQuotaUs: 'i64', // per period, ≤ 0 = no limit
    cpuPeriodUs: 'u64', // 0 = 100,000
    cpuWeight: 'u32', // 1..10000, 0 = the default
    pidsMax: 'u64', // 0 = no limit
  },
  Capabilities: { bounding: 'u64', effective: 'u64', permitted: 'u64', inheritable: 'u64', ambient: 'u64' },
  Process: {
    /** Handle, chosen by the host, unique in the sandbox's life, never 0. */
    process: 'u32',
    args: 'list<string>', // args[0] is looked up in env's PATH inside the container, from its working directory
    env: 'list<string>', // KEY=value; the agent adds HOME from the image's passwd when it is missing
    cwd: 'string', // absolute; made when it is missing for a container's first process
    user: 'string', // '', 'name', 'uid', 'name:group', 'uid:gid'; looked up in the container's /etc/passwd and /etc/group
    additionalGroups: 'list<string>',
    tty: 'bool',
    rows: 'u16',
    cols: 'u16',
    stdinOpen: 'bool', // false: /dev/null
    rlimits: 'list<Rlimit>',
    capabilities: 'Capabilities',
    noNewPrivileges: 'bool',
    oomScoreAdj: 'i32',
    /** Standard streams nobody will read (a detached exec): /dev/null in the guest, no traffic. */
    discardOutput: 'bool',
  },
  Container: {
    container: 'u32', // handle, chosen by the host, unique in the sandbox's life, never 0
    id: 'string', // 64 hex digits; names the cgroup
    layers: 'list<Layer>', // top first, EROFS
    upper: 'string', // serial of the writable ext4 disk; '' = none: the root is the layers alone (then readonlyRoot)
    readonlyRoot: 'bool',
    hostname: 'string', // '' = the pod's; else a UTS namespace of its own
    privilege: 'Privilege', // standard: masked and read-only /proc paths as in Docker, own /dev; privileged: all of its own kernel
    sharePid: 'bool', // the pod's process table instead of one of its own
    init: 'bool', // a small reaping init as PID 1 of the container (docker run --init)
    mounts: 'list<Mount>', // in order, after /proc, /sys, /dev, /dev/pts, /dev/shm, /dev/mqueue, /sys/fs/cgroup
    shmSize: 'u64', // bytes of /dev/shm
    files: 'list<InjectedFile>',
    sysctls: 'list<Sysctl>',
    resources: 'Resources',
    process: 'Process',
  },
  ProcessStatus: {
    container: 'u32',
    process: 'u32',
    pid: 'u32', // in the pod's root PID namespace
    state: 'ProcessState',
    exitCode: 'u8',
    signal: 'u8', // 0, or the signal that ended it
    oomKilled: 'bool',
    exitedAtNs: 'u64', // wall clock, ns since the epoch
    stdinReceived: 'u64', // next stdin offset the agent wants
    stdoutAcked: 'u64', // oldest offset the agent still has
    stderrAcked: 'u64',
    stdoutEnd: 'u64', // how much the process has written so far, as far as the agent read it
    stderrEnd: 'u64',
    stdoutClosed: 'bool',
    stderrClosed: 'bool',
  },
  ContainerStatus: { container: 'u32', id: 'string', frozen: 'bool' },
  TopProcess: {
    pid: 'u32',
    ppid: 'u32',
    uid: 'u32',
    user: 'string',
    state: 'string',
    startedAtNs: 'u64',
    cpuNs: 'u64',
    rssBytes: 'u64',
    tty: 'string',
    command: 'string',
  },
} as const;

export type Fields = Readonly<Record<string, string>>;
export type Message = Readonly<{
  opcode: number;
  from: 'host' | 'agent';
  /** request: answered by `reply` (opcode | 0x8000) or by `error`; the others are not answered. */
  kind: 'request' | 'event' | 'stream';
  fields: Fields;
  reply?: Fields;
}>;

export const messages = {
  // 0x00xx: the channel itself
  hello: {
    opcode: 0x0001,
    from: 'agent',
    kind: 'event',
    fields: {
      agentVersion: 'string',
      kernelRelease: 'string',
      personalised: 'bool',
      memoryTotal: 'u64',
      memoryAvailable: 'u64',
      vcpus: 'u32',
      containers: 'list<ContainerStatus>',
      processes: 'list<ProcessStatus>',
    },
  },
  /** The reply to any request that failed; `id` is the request's. */
  error: {
    opcode: 0x0002,
    from: 'agent',
    kind: 'event',
    fields: { code: 'ErrorCode', errno: 'i32', message: 'string' },
  },
  /** Measures the way there and back. */
  ping: { opcode: 0x0003, from: 'host', kind: 'request', fields: {}, reply: { wallClockNs: 'u64' } },

  // 0x01xx: the sandbox
  /** Last call before a template is taken: allocate what will be needed, drop caches, be quiet. */
  prepareTemplate: { opcode: 0x0101, from: 'host', kind: 'request', fields: {}, reply: {} },
  /**
   * Makes a clone unique, once, before anything of the user's runs. Entropy: at least 32 bytes; credited, then the
   * kernel's generator is reseeded. machineId: 32 hex digits. mac: 6 bytes for the first Ethernet interface, or none.
   */
  personalise: {
    opcode: 0x0102,
    from: 'host',
    kind: 'request',
    fields: { entropy: 'bytes', wallClockNs: 'u64', hostname: 'string', machineId: 'string', mac: 'bytes' },
    reply: { bootId: 'string' },
  },
  setClock: { opcode: 0x0103, from: 'host', kind: 'request', fields: { wallClockNs: 'u64' }, reply: {} },
  setHostname: { opcode: 0x0104, from: 'host', kind: 'request', fields: { hostname: 'string' }, reply: {} },
  /** Lets go of a disk that nothing mounts any more, so that the host may unplug it. */
  releaseDisk: { opcode: 0x0105, from: 'host', kind: 'request', fields: { serial: 'string' }, reply: {} },
  /** Kills everything, syncs, unmounts, powers off. The reply comes before the power goes. */
  shutdown: { opcode: 0x0106, from: 'host', kind: 'request', fields: {}, reply: {} },
  sandboxStats: {
    opcode: 0x0107,
    from: 'host',
    kind: 'request',
    fields: {},
    reply: {
      memoryTotal: 'u64',
      memoryFree: 'u64',
      memoryAvailable: 'u64',
      pageCache: 'u64',
      slab: 'u64',
      agentRss: 'u64',
      uptimeNs: 'u64',
    },
  },

  // 0x02xx: containers
  /** Finds the disks, mounts, makes namespaces and cgroup, starts the process: one message starts everything. */
  startContainer: {
    opcode: 0x0201,
    from: 'host',
    kind: 'request',
    fields: { container: 'Container' },
    reply: { pid: 'u32' },
  },
  exec: {
    opcode: 0x0202,
    from: 'host',
    kind: 'request',
    fields: { container: 'u32', process: 'Process' },
    reply: { pid: 'u32' },
  },
  /** `all`: to every process of the container. */
  signal: {
    opcode: 0x0203,
    from: 'host',
    kind: 'request',
    fields: { container: 'u32', process: 'u32', signal: 'u8', all: 'bool' },
    reply: {},
  },
  resize: {
    opcode: 0x0204,
    from: 'host',
    kind: 'request',
    fields: { process: 'u32', rows: 'u16', cols: 'u16' },
    reply: {},
  },
  freeze: {
    opcode: 0x0205,
    from: 'host',
    kind: 'request',
    fields: { container: 'u32', frozen: 'bool' },
    reply: {},
  },
  updateResources: {
    opcode: 0x0206,
    from: 'host',
    kind: 'request',
    fields: { container: 'u32', resources: 'Resources' },
    reply: {},
  },
  /** Kills what is left, unmounts (which writes the upper disk out), removes the cgroup. Idempotent. */
  deleteContainer: { opcode: 0x0207, from: 'host', kind: 'request', fields: { container: 'u32' }, reply: {} },
  containerStats: {
    opcode: 0x0208,
    from: 'host',
    kind: 'request',
    fields: { container: 'u32' },
    reply: {
      cpuUsageNs: 'u64',
      cpuUserNs: 'u64',
      cpuSystemNs: 'u64',
      throttledPeriods: 'u64',
      periods: 'u64',
      throttledNs: 'u64',
      memoryCurrent: 'u64',
      memoryPeak: 'u64',
      memoryMax: 'u64',
      memoryFile: 'u64',
      memoryInactiveFile: 'u64',
      memoryAnon: 'u64',
      pidsCurrent: 'u64',
      pidsMax: 'u64',
      readBytes: 'u64',
      writeBytes: 'u64',
      readOps: 'u64',
      writeOps: 'u64',
    },
  },
  top: {
    opcode: 0x0209,
    from: 'host',
    kind: 'request',
    fields: { container: 'u32' },
    reply: { processes: 'list<TopProcess>' },
  },

  // 0x03xx: processes and their streams; `id` of the frame is the process handle for kind 'stream'
  data: {
    opcode: 0x0301,
    from: 'agent',
    kind: 'stream',
    fields: { stream: 'Stream', offset: 'u64', bytes: 'rest' },
  },
  stdin: { opcode: 0x0302, from: 'host', kind: 'stream', fields: { offset: 'u64', bytes: 'rest' } },
  /** No more bytes will come on this stream; `offset` is its length. */
  closed: { opcode: 0x0303, from: 'agent', kind: 'stream', fields: { stream: 'Stream', offset: 'u64' } },
  stdinClose: { opcode: 0x0304, from: 'host', kind: 'stream', fields: { offset: 'u64' } },
  /** The host's side of the window for stdout and stderr. */
  window: {
    opcode: 0x0305,
    from: 'host',
    kind: 'stream',
    fields: { stream: 'Stream', acked: 'u64', limit: 'u64' },
  },
  /** The agent's side of the window for stdin. `closed`: the process no longer reads; send nothing more. */
  stdinWindow: {
    opcode: 0x0306,
    from: 'agent',
    kind: 'stream',
    fields: { acked: 'u64', limit: 'u64', closed: 'bool' },
  },
  /** After a reconnect: send this stream again from `offset` (≥ what was acknowledged), up to `limit`. */
  streamResume: {
    opcode: 0x0307,
    from: 'host',
    kind: 'stream',
    fields: { stream: 'Stream', offset: 'u64', limit: 'u64' },
  },
  /** Kept by the agent, and told again in `hello`, until `releaseProcess`. */
  exited: {
    opcode: 0x0308,
    from: 'agent',
    kind: 'stream',
    fields: { container: 'u32', exitCode: 'u8', signal: 'u8', oomKilled: 'bool', exitedAtNs: 'u64' },
  },
  /** The host has recorded exit and output; the agent forgets the process and drops its buffers. */
  releaseProcess: { opcode: 0x0309, from: 'host', kind: 'request', fields: { process: 'u32' }, reply: {} },
} as const satisfies Record<string, Message>;
