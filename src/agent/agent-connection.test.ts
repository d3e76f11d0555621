import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import { duplexPair } from 'node:stream';
import { EngineError } from '../errors/engine-error.ts';
import { StartError } from '../errors/start-error.ts';
import type { OutputSink } from '../engine/ports/pod-runtime.ts';
import { encodeAgentFrame, encodeSync, SyncHunter } from '../guest-protocol/frames.ts';
import { generation, limits } from '../guest-protocol/generated.ts';
import type { AgentMessage, Container, Process } from '../guest-protocol/generated.ts';
import { AgentConnection } from './agent-connection.ts';
import { FakeAgent } from './fake-agent.ts';
import type { Cut } from './fake-agent-channel.ts';
import type { FakeProgram } from './fake-process.ts';

function processSpec(handle: number, args: readonly string[], more: Partial<Process> = {}): Process {
  return {
    process: handle,
    args,
    env: [],
    cwd: '/',
    user: '',
    additionalGroups: [],
    tty: false,
    rows: 0,
    cols: 0,
    stdinOpen: false,
    rlimits: [],
    capabilities: { bounding: 0n, effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n },
    noNewPrivileges: false,
    oomScoreAdj: 0,
    discardOutput: false,
    ...more,
  };
}

function containerSpec(handle: number, process: Process): Container {
  return {
    container: handle,
    id: 'c'.repeat(64),
    layers: [],
    upper: '',
    readonlyRoot: true,
    hostname: '',
    privilege: 'standard',
    sharePid: false,
    init: false,
    mounts: [],
    shmSize: 0n,
    files: [],
    sysctls: [],
    resources: {
      memoryMax: 0n,
      memoryLow: 0n,
      swapMax: -1n,
      cpuQuotaUs: 0n,
      cpuPeriodUs: 0n,
      cpuWeight: 0,
      pidsMax: 0n,
    },
    process,
  };
}

/** Keeps what it is given, and checks that nothing is doubled or left out. */
class RecordingSink implements OutputSink {
  readonly closed: string[] = [];
  readonly next = { stdout: 0n, stderr: 0n };
  readonly #chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };

  write(stream: 'stdout' | 'stderr', offset: bigint, chunk: Buffer): void | Promise<void> {
    assert.equal(offset, this.next[stream], `${stream}: nothing doubled, nothing left out`);
    this.next[stream] += BigInt(chunk.length);
    this.#chunks[stream].push(chunk);
  }

  close(stream: 'stdout' | 'stderr'): void {
    this.closed.push(stream);
  }

  bytes(stream: 'stdout' | 'stderr'): Buffer {
    return Buffer.concat(this.#chunks[stream]);
  }
}

const failOnWarn = (message: string, cause: unknown) => {
  throw new Error(message, { cause });
};

async function personalised(agent: FakeAgent, signal: AbortSignal): Promise<AgentConnection> {
  const connection = await AgentConnection.open(agent.connect(), { fresh: true, signal, warn: failOnWarn });
  await connection.request({
    type: 'personalise',
    entropy: randomBytes(64),
    wallClockNs: BigInt(Date.now()) * 1_000_000n,
    hostname: 'pod',
    machineId: randomBytes(16).toString('hex'),
    mac: randomBytes(6),
  });
  return connection;
}

async function started(
  agent: FakeAgent,
  signal: AbortSignal,
  args: readonly string[],
  sink: OutputSink,
  more: Partial<Process> = {},
) {
  const connection = await personalised(agent, signal);
  const { process } = await connection.startContainer(containerSpec(1, processSpec(1, args, more)), sink);
  return { connection, process };
}

describe('a connection to the agent', () => {
  test('starts a container and brings its output, exit code and end', async (t) => {
    const agent = new FakeAgent();
    const sink = new RecordingSink();
    const { connection, process } = await started(
      agent,
      t.signal,
      ['sh', '-c', 'echo out; echo err >&2; exit 3'],
      sink,
    );
    t.after(() => connection[Symbol.asyncDispose]());
    const exit = await process.exited;
    await process.drained;
    assert.ok('exitCode' in exit);
    assert.equal(exit.exitCode, 3);
    assert.equal(exit.signal, undefined);
    assert.ok(Math.abs(exit.exitedAt.getTime() - Date.now()) < 60_000);
    assert.equal(sink.bytes('stdout').toString(), 'out\n');
    assert.equal(sink.bytes('stderr').toString(), 'err\n');
    assert.deepEqual(sink.closed.sort(), ['stderr', 'stdout']);
    await process.release();
    await process.release();
    assert.equal(agent.processCount, 0);
    assert.deepEqual(agent.violations, []);
  });

  test('tells a missing command, one that cannot be executed and a missing user apart', async (t) => {
    const connection = await personalised(new FakeAgent(), t.signal);
    t.after(() => connection[Symbol.asyncDispose]());
    const sink = new RecordingSink();
    const start = (args: string[], user = '') =>
      connection.startContainer(containerSpec(1, processSpec(1, args, { user })), sink);
    await assert.rejects(
      start(['nothing-there']),
      (error) => error instanceof StartError && error.exitCode === 127,
    );
    await assert.rejects(
      start(['/etc/passwd']),
      (error) => error instanceof StartError && error.exitCode === 126,
    );
    await assert.rejects(
      start(['true'], 'nobody-there'),
      (error) =>
        error instanceof EngineError && !(error instanceof StartError) && error.code === 'invalid_argument',
    );
    const { process } = await start(['true']);
    assert.ok('exitCode' in (await process.exited), 'the handle of a failed start is free again');
  });

  test('gives 128 + signal for a killed process', async (t) => {
    const { connection, process } = await started(
      new FakeAgent(),
      t.signal,
      ['sleep', '1000'],
      new RecordingSink(),
    );
    t.after(() => connection[Symbol.asyncDispose]());
    await process.signal(9);
    const exit = await process.exited;
    assert.ok('exitCode' in exit);
    assert.deepEqual([exit.exitCode, exit.signal], [137, 9]);
  });

  test('carries a large standard input through the window and back', async (t) => {
    const sink = new RecordingSink();
    const agent = new FakeAgent();
    const { connection, process } = await started(agent, t.signal, ['cat'], sink, { stdinOpen: true });
    t.after(() => connection[Symbol.asyncDispose]());
    const bytes = randomBytes(3 * limits.STREAM_WINDOW + 12345);
    for (let at = 0; at < bytes.length; at += 100_000)
      void process.writeStdin(bytes.subarray(at, at + 100_000));
    await process.closeStdin();
    await process.exited;
    await process.drained;
    assert.ok(sink.bytes('stdout').equals(bytes));
    assert.deepEqual(agent.violations, []);
    await assert.rejects(process.writeStdin(bytes), { code: 'failed_precondition' });
  });

  test('writing to a process that never reads waits, and fails when it ends', async (t) => {
    const { connection, process } = await started(
      new FakeAgent(),
      t.signal,
      ['sleep', '1000'],
      new RecordingSink(),
      { stdinOpen: true },
    );
    t.after(() => connection[Symbol.asyncDispose]());
    let settled = false;
    const writing = process
      .writeStdin(Buffer.alloc(limits.STREAM_WINDOW + 1))
      .finally(() => (settled = true));
    await connection.request({ type: 'ping' });
    await connection.request({ type: 'ping' });
    assert.equal(settled, false);
    await process.signal(15);
    await assert.rejects(writing, { code: 'failed_precondition' });
  });

  test('a slow sink stops its own process after a window, and no other', async (t) => {
    const agent = new FakeAgent();
    const gate: PromiseWithResolvers<void> = Promise.withResolvers();
    let taken = 0;
    const slow: OutputSink = {
      write: async (_stream, _offset, chunk) => {
        await gate.promise;
        taken += chunk.length;
      },
      close: () => undefined,
    };
    const size = 4 * limits.STREAM_WINDOW;
    const { connection, process } = await started(
      agent,
      t.signal,
      ['head', '-c', String(size), '/dev/zero'],
      slow,
    );
    t.after(() => connection[Symbol.asyncDispose]());
    const fast = new RecordingSink();
    const other = await connection.exec(1, processSpec(2, ['head', '-c', String(size), '/dev/zero']), fast);
    await other.process.exited;
    await other.process.drained;
    assert.equal(fast.bytes('stdout').length, size);
    assert.equal(taken, 0);
    let exited = false;
    void process.exited.then(() => (exited = true));
    await connection.request({ type: 'ping' });
    assert.equal(exited, false, 'blocked in its write');
    gate.resolve();
    await process.drained;
    assert.equal(taken, size);
  });

  test('acknowledges only what the sink has taken', async (t) => {
    const agent = new FakeAgent();
    const gate: PromiseWithResolvers<void> = Promise.withResolvers();
    const sink: OutputSink = { write: () => gate.promise, close: () => undefined };
    const size = 2 * limits.STREAM_WINDOW;
    const { connection } = await started(agent, t.signal, ['head', '-c', String(size), '/dev/zero'], sink);
    await connection.request({ type: 'ping' });
    await connection.request({ type: 'ping' });
    await connection[Symbol.asyncDispose]();
    const next = await AgentConnection.open(agent.connect(), {
      fresh: false,
      signal: t.signal,
      warn: failOnWarn,
    });
    t.after(() => next[Symbol.asyncDispose]());
    const status = next.hello.processes[0];
    assert.ok(status);
    assert.equal(status.stdoutAcked, 0n);
    assert.equal(status.stdoutEnd, BigInt(limits.STREAM_WINDOW), 'the process is blocked after a window');
    gate.resolve();
  });

  test('counts bytes as taken when the sink throws, and reports it', async (t) => {
    const warnings: string[] = [];
    const agent = new FakeAgent();
    const connection = await AgentConnection.open(agent.connect(), {
      fresh: true,
      signal: t.signal,
      warn: (message) => warnings.push(message),
    });
    t.after(() => connection[Symbol.asyncDispose]());
    await connection.request({
      type: 'personalise',
      entropy: randomBytes(64),
      wallClockNs: 0n,
      hostname: '',
      machineId: '',
      mac: Buffer.alloc(0),
    });
    const sink: OutputSink = { write: () => Promise.reject(new Error('disk full')), close: () => undefined };
    const size = 3 * limits.STREAM_WINDOW;
    const { process } = await connection.startContainer(
      containerSpec(1, processSpec(1, ['head', '-c', String(size), '/dev/zero'])),
      sink,
    );
    await process.drained;
    assert.ok(warnings.length > 0);
  });

  test('a request that is not answered ends at its deadline, one that is aborted at once', async (t) => {
    const agent = new FakeAgent();
    agent.mute.add('ping');
    const connection = await AgentConnection.open(agent.connect(), {
      fresh: true,
      signal: t.signal,
      warn: failOnWarn,
    });
    t.after(() => connection[Symbol.asyncDispose]());
    await assert.rejects(connection.request({ type: 'ping' }, { timeoutMs: 5 }), {
      code: 'deadline_exceeded',
    });
    const abort = new AbortController();
    const ping = connection.request({ type: 'ping' }, { signal: abort.signal });
    abort.abort(new EngineError('canceled', 'never mind'));
    await assert.rejects(ping, { code: 'canceled' });
    agent.mute.clear();
    await connection.request({ type: 'ping' });
  });

  test('a process whose start was given up is killed and forgotten when it starts all the same', async (t) => {
    const disk = Promise.withResolvers<boolean>();
    const agent = new FakeAgent({ disk: () => disk.promise });
    const connection = await personalised(agent, t.signal);
    t.after(() => connection[Symbol.asyncDispose]());
    const spec = { ...containerSpec(1, processSpec(1, ['sleep', '1000'])), upper: 'disk' };
    await assert.rejects(connection.startContainer(spec, new RecordingSink(), { timeoutMs: 5 }), {
      code: 'deadline_exceeded',
    });
    disk.resolve(true);
    while (agent.containers.length === 0 || agent.processCount > 0)
      await connection.request({ type: 'ping' });
    assert.deepEqual(agent.violations, []);
  });

  test('a request that does not fit into a frame is refused and harms nothing', async (t) => {
    const connection = await personalised(new FakeAgent(), t.signal);
    t.after(() => connection[Symbol.asyncDispose]());
    const spec = containerSpec(1, processSpec(1, ['x'.repeat(limits.MAX_PAYLOAD)]));
    await assert.rejects(connection.startContainer(spec, new RecordingSink()), { code: 'invalid_argument' });
    await connection.request({ type: 'ping' });
  });

  test('when the channel breaks, requests reject, and processes are lost when the owner says why', async (t) => {
    const agent = new FakeAgent();
    const sink = new RecordingSink();
    const { connection, process } = await started(agent, t.signal, ['sleep', '1'], sink, { stdinOpen: true });
    agent.mute.add('ping');
    const ping = connection.request({ type: 'ping' });
    const writing = process.writeStdin(Buffer.alloc(2 * limits.STREAM_WINDOW));
    agent.disconnect();
    await assert.rejects(ping, { code: 'unavailable' });
    assert.equal((await connection.ended).code, 'unavailable');
    connection.loseProcesses('the VMM was killed');
    assert.deepEqual(await process.exited, { lost: 'the VMM was killed' });
    await process.drained;
    await assert.rejects(writing, { code: 'unavailable' });
    await assert.rejects(connection.request({ type: 'ping' }), { code: 'unavailable' });
    assert.deepEqual(sink.closed.sort(), ['stderr', 'stdout']);
  });

  test('no answer within the deadline: the handshake ends and the channel is destroyed', async () => {
    const [host] = duplexPair();
    const signal = AbortSignal.timeout(5);
    await assert.rejects(AgentConnection.open(host, { fresh: true, signal, warn: failOnWarn }));
    assert.ok(host.destroyed);
  });

  test('an agent of another generation is named', async (t) => {
    const [host, guest] = duplexPair();
    const hunter = new SyncHunter('host', () => true);
    guest.on('data', (chunk: Buffer) => {
      const found = hunter.push(chunk);
      if (found) guest.write(encodeSync('agent', { ...found.sync, generation: generation + 1 }, false));
    });
    await assert.rejects(AgentConnection.open(host, { fresh: true, signal: t.signal, warn: failOnWarn }), {
      code: 'failed_precondition',
      message: /generation/,
    });
  });
});

describe('a guest that breaks the rules loses its connection', () => {
  const violations: Record<string, (agent: FakeAgent) => void> = {
    'a frame of another session': (agent) =>
      agent.sendRaw(encodeAgentFrame(0x01010101, 1, { type: 'pingReply', wallClockNs: 0n })),
    'random bytes': (agent) => agent.sendRaw(randomBytes(4096)),
    'a reply to nothing': (agent) => agent.sendMessage(77, { type: 'pingReply', wallClockNs: 0n }),
    'an error to nothing': (agent) =>
      agent.sendMessage(0, { type: 'error', code: 'internal', errno: 0, message: '' }),
    'a second hello': (agent) =>
      agent.sendMessage(0, {
        type: 'hello',
        agentVersion: '',
        kernelRelease: '',
        personalised: true,
        memoryTotal: 0n,
        memoryAvailable: 0n,
        vcpus: 1,
        containers: [],
        processes: [],
      }),
    'data of a process that does not exist': (agent) =>
      agent.sendMessage(9, { type: 'data', stream: 'stdout', offset: 0n, bytes: Buffer.from('x') }),
    'data of standard input': (agent) =>
      agent.sendMessage(1, { type: 'data', stream: 'stdin', offset: 0n, bytes: Buffer.from('x') }),
    'data at a wrong offset': (agent) =>
      agent.sendMessage(1, { type: 'data', stream: 'stdout', offset: 5n, bytes: Buffer.from('x') }),
    'an end before the last byte': (agent) => {
      agent.sendMessage(1, { type: 'data', stream: 'stdout', offset: 0n, bytes: Buffer.from('x') });
      agent.sendMessage(1, { type: 'closed', stream: 'stdout', offset: 0n });
    },
    'data behind the end': (agent) => {
      agent.sendMessage(1, { type: 'closed', stream: 'stdout', offset: 0n });
      agent.sendMessage(1, { type: 'data', stream: 'stdout', offset: 0n, bytes: Buffer.from('x') });
    },
    'more than the window': (agent) => {
      for (let sent = 0; sent <= limits.STREAM_WINDOW; sent += limits.MAX_DATA) {
        const bytes = Buffer.alloc(limits.MAX_DATA);
        agent.sendMessage(1, { type: 'data', stream: 'stdout', offset: BigInt(sent), bytes });
      }
    },
  };
  for (const [name, violate] of Object.entries(violations)) {
    test(name, async (t) => {
      const agent = new FakeAgent();
      const never: OutputSink = { write: () => new Promise(() => undefined), close: () => undefined };
      const { connection } = await started(agent, t.signal, ['sleep', '1000'], never);
      violate(agent);
      const ended = await connection.ended;
      assert.equal(ended.code, 'unavailable');
      assert.match(ended.message, /guest channel/);
    });
  }

  test('a reply of the wrong kind', async (t) => {
    const agent = new FakeAgent();
    const connection = await AgentConnection.open(agent.connect(), {
      fresh: true,
      signal: t.signal,
      warn: failOnWarn,
    });
    agent.mute.add('ping');
    const ping = connection.request({ type: 'ping' });
    for (let id = 1; id < 3; id++)
      agent.sendMessage(id, { type: 'topReply', processes: [] } satisfies AgentMessage);
    await assert.rejects(ping, { code: 'unavailable' });
    await connection.ended;
  });
});

describe('after any break output goes on where it was', () => {
  const total = 700_000;
  /** Its two streams differ, so that a mixed-up one shows. */
  const pattern = (stream: number) =>
    Buffer.alloc(total).map((_, i) => (i * 31 + (i >> 8) * 7 + stream) & 0xff);
  const expected = { stdout: pattern(1), stderr: pattern(2) };
  const talk: FakeProgram = async ({ write }) => {
    const both = (['stdout', 'stderr'] as const).map(async (stream) => {
      for (let at = 0; at < total;) {
        const length = Math.min(total - at, 1 + ((at * 7919) % 50_000));
        await write(stream, expected[stream].subarray(at, at + length));
        at += length;
      }
    });
    await Promise.all(both);
    return 42;
  };

  for (let run = 0; run < 40; run++) {
    test(`cut at random points, run ${run}`, async (t) => {
      const agent = new FakeAgent({ programs: { talk } });
      const sink = new RecordingSink();
      const first = await started(agent, t.signal, ['talk'], sink);
      let connection = first.connection;
      let process = first.process;
      let cuts = 0;
      while (cuts < 12) {
        const done = await Promise.race([
          Promise.all([process.exited, process.drained]).then(() => true),
          connection.ended.then(() => false),
        ]);
        if (done) break;
        cuts++;
        const cut: Cut =
          cuts === 12
            ? {}
            : randomInt(2) === 0
              ? { toHostBytes: randomInt(1, 200_000) }
              : { toAgentBytes: limits.SYNC_ZEROS + randomInt(1, 1200) };
        await connection[Symbol.asyncDispose]();
        try {
          connection = await AgentConnection.open(agent.connect(cut), {
            fresh: false,
            signal: t.signal,
            warn: () => undefined, // what a cut connection cannot do any more
          });
        } catch {
          continue; // cut within the handshake
        }
        process = connection.resumeProcess(
          1,
          {
            stdoutOffset: sink.next.stdout,
            stderrOffset: sink.next.stderr,
            tty: false,
            stdinOpen: false,
            discardOutput: false,
          },
          sink,
        ).process;
        if (cuts === 1) agent.disconnect(); // before anything came
      }
      const exit = await process.exited;
      await process.drained;
      assert.ok('exitCode' in exit);
      assert.equal(exit.exitCode, 42);
      for (const stream of ['stdout', 'stderr'] as const) {
        assert.ok(sink.bytes(stream).equals(expected[stream]), stream);
      }
      assert.deepEqual(agent.violations, []);
      await process.release();
      await connection[Symbol.asyncDispose]();
    });
  }
});
