/**
 * What every PodRuntime must do, whatever carries it. The image it is given has in its PATH: true, false, sleep, echo, cat,
 * head, env, hostname, stty, sh.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type {
  ContainerStartSpec,
  LayerFile,
  OutputSink,
  PodRuntime,
  ProcessExit,
  ProcessSpec,
  Sandbox,
  SandboxProcess,
} from '../../src/engine/ports/pod-runtime.ts';
import { StartError } from '../../src/errors/start-error.ts';

export interface RuntimeUnderTest extends AsyncDisposable {
  readonly runtime: PodRuntime;
  readonly layers: readonly LayerFile[];
  /** A blank writable disk, or undefined where the test does without. */
  makeDisk(): Promise<string | undefined>;
  /** The daemon dies without a word (kill -9) and another one takes over: a new runtime on the same host. */
  restart(): Promise<PodRuntime>;
  /** What is left on the host of sandboxes: names of machines. Empty when every one is gone. */
  leftovers(): Promise<readonly string[]>;
  /** Ends the VMM of a sandbox as a crash would. */
  crash(sandbox: Sandbox): void;
}

/** Collects output; every byte once and in order, or it throws. */
export class CollectingSink implements OutputSink {
  readonly next = { stdout: 0n, stderr: 0n };
  readonly closed = new Set<string>();
  readonly #chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  readonly #keep: boolean;

  constructor(keep = true) {
    this.#keep = keep;
  }

  write(stream: 'stdout' | 'stderr', offset: bigint, chunk: Buffer): void | Promise<void> {
    assert.equal(offset, this.next[stream], `${stream}: no byte lost, none doubled`);
    this.next[stream] += BigInt(chunk.length);
    if (this.#keep) this.#chunks[stream].push(chunk);
  }

  close(stream: 'stdout' | 'stderr'): void {
    this.closed.add(stream);
  }

  text(stream: 'stdout' | 'stderr' = 'stdout'): string {
    return Buffer.concat(this.#chunks[stream]).toString();
  }
}

export function processSpec(args: readonly string[], more: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    args,
    env: ['PATH=/bin'],
    cwd: '/',
    user: '',
    additionalGroups: [],
    tty: false,
    stdinOpen: false,
    rlimits: [],
    capabilities: ['KILL', 'CHOWN'],
    noNewPrivileges: false,
    oomScoreAdj: 0,
    discardOutput: false,
    ...more,
  };
}

export function containerSpec(
  layers: readonly LayerFile[],
  process: ProcessSpec,
  more: Partial<ContainerStartSpec> = {},
): ContainerStartSpec {
  return {
    id: randomBytes(32).toString('hex'),
    layers,
    readonlyRoot: more.writablePath === undefined,
    hostname: '',
    privileged: false,
    sharePid: false,
    init: false,
    mounts: [],
    shmSizeBytes: 1 << 20,
    files: [],
    sysctls: {},
    resources: {},
    process,
    ...more,
  };
}

export async function exitOf(process: SandboxProcess): Promise<ProcessExit> {
  const exit = await process.exited;
  if ('lost' in exit) assert.fail(`lost: ${exit.lost}`);
  await process.drained;
  return exit;
}

const sandboxId = () => randomBytes(32).toString('hex');

export function podRuntimeConformance(name: string, setUp: () => Promise<RuntimeUnderTest>): void {
  void describe(`PodRuntime conformance: ${name}`, () => {
    let host: RuntimeUnderTest;
    before(async () => {
      host = await setUp();
    });
    after(async () => {
      await host[Symbol.asyncDispose]();
    });

    async function sandbox(signal: AbortSignal): Promise<Sandbox> {
      return await host.runtime.createSandbox({ id: sandboxId(), hostname: 'pod' }, signal);
    }

    async function run(
      pod: Sandbox,
      signal: AbortSignal,
      args: readonly string[],
      more: Partial<ProcessSpec> = {},
      sink = new CollectingSink(),
    ) {
      const writablePath = await host.makeDisk();
      const spec = containerSpec(host.layers, processSpec(args, more), {
        ...(writablePath !== undefined && { writablePath }),
      });
      const container = await pod.startContainer(spec, sink, signal);
      return { container, sink, spec };
    }

    void test('a container runs, its output, exit code and time come back, and nothing is left', async (t) => {
      const pod = await sandbox(t.signal);
      const { container, sink } = await run(pod, t.signal, ['sh', '-c', 'echo out; echo err >&2; exit 3']);
      const exit = await exitOf(container.process);
      assert.equal(exit.exitCode, 3);
      assert.equal(exit.signal, undefined);
      assert.ok(Math.abs(exit.exitedAt.getTime() - Date.now()) < 5000);
      assert.equal(sink.text('stdout'), 'out\n');
      assert.equal(sink.text('stderr'), 'err\n');
      assert.deepEqual([...sink.closed].sort(), ['stderr', 'stdout']);
      await container.process.release();
      await container.remove();
      await container.remove();
      await pod.destroy();
      await pod.destroy();
      assert.deepEqual(await host.leftovers(), []);
    });

    void test('a removed container makes room for the next one in the same sandbox', async (t) => {
      await using pod = await sandbox(t.signal);
      for (let round = 0; round < 3; round++) {
        const { container, sink } = await run(pod, t.signal, ['echo', String(round)]);
        await exitOf(container.process);
        assert.equal(sink.text(), `${round}\n`);
        await container.remove();
      }
    });

    void test('two containers of a sandbox share layers and end separately', async (t) => {
      await using pod = await sandbox(t.signal);
      const first = await run(pod, t.signal, ['sleep', '1000']);
      const second = await run(pod, t.signal, ['echo', 'two']);
      await exitOf(second.container.process);
      await second.container.remove();
      const exec = new CollectingSink();
      const process = await first.container.exec(processSpec(['echo', 'still there']), exec, t.signal);
      await exitOf(process);
      assert.equal(exec.text(), 'still there\n');
      await first.container.remove();
    });

    void test('a signal ends it with 128 + signal, or its handler decides', async (t) => {
      await using pod = await sandbox(t.signal);
      const killed = await run(pod, t.signal, ['sleep', '1000']);
      await killed.container.process.signal(9);
      const exit = await exitOf(killed.container.process);
      assert.deepEqual([exit.exitCode, exit.signal], [137, 9]);
      await killed.container.remove();
      const script = "trap 'exit 7' TERM; echo ready; sleep 1000 & wait";
      const handled = await run(pod, t.signal, ['sh', '-c', script]);
      while (!handled.sink.text().includes('ready')) await new Promise(setImmediate);
      await handled.container.process.signal(15);
      assert.equal((await exitOf(handled.container.process)).exitCode, 7);
    });

    void test('standard input arrives whole and its end is seen', async (t) => {
      await using pod = await sandbox(t.signal);
      const { container, sink } = await run(pod, t.signal, ['cat'], { stdinOpen: true });
      const bytes = randomBytes(600_000).toString('hex');
      for (let at = 0; at < bytes.length; at += 70_000) {
        await container.process.writeStdin(Buffer.from(bytes.slice(at, at + 70_000)));
      }
      await container.process.closeStdin();
      assert.equal((await exitOf(container.process)).exitCode, 0);
      assert.ok(sink.text() === bytes);
      await assert.rejects(container.process.writeStdin(Buffer.from('more')));
    });

    void test('a slow sink loses nothing', async (t) => {
      await using pod = await sandbox(t.signal);
      const size = 2_000_000;
      class SlowSink extends CollectingSink {
        override async write(stream: 'stdout' | 'stderr', offset: bigint, chunk: Buffer): Promise<void> {
          await new Promise(setImmediate);
          await super.write(stream, offset, chunk);
        }
      }
      const { container, sink } = await run(
        pod,
        t.signal,
        ['head', '-c', String(size), '/dev/zero'],
        {},
        new SlowSink(false),
      );
      assert.equal((await exitOf(container.process)).exitCode, 0);
      assert.equal(sink.next.stdout, BigInt(size));
    });

    void test('a terminal has one stream and a size that can change', async (t) => {
      await using pod = await sandbox(t.signal);
      const { container, sink } = await run(pod, t.signal, ['stty', 'size'], {
        tty: true,
        stdinOpen: true,
        size: { rows: 33, cols: 101 },
      });
      await exitOf(container.process);
      assert.match(sink.text(), /^33 101\r?\n$/);
      assert.ok(sink.closed.has('stderr'));
      await container.remove();
      const shell = await run(pod, t.signal, ['cat'], {
        tty: true,
        stdinOpen: true,
        size: { rows: 1, cols: 2 },
      });
      await shell.container.process.resize({ rows: 50, cols: 132 });
      await shell.container.process.signal(9);
      await exitOf(shell.container.process);
    });

    void test('exec has streams, input, environment and exit code of its own', async (t) => {
      await using pod = await sandbox(t.signal);
      const { container } = await run(pod, t.signal, ['sleep', '1000']);
      const environment = new CollectingSink();
      const env = await container.exec(
        processSpec(['env'], { env: ['PATH=/bin', 'A=b c'] }),
        environment,
        t.signal,
      );
      await exitOf(env);
      assert.match(environment.text(), /^A=b c$/m);
      const echoed = new CollectingSink();
      const cat = await container.exec(processSpec(['cat'], { stdinOpen: true }), echoed, t.signal);
      await cat.writeStdin(Buffer.from('through exec'));
      await cat.closeStdin();
      await exitOf(cat);
      assert.equal(echoed.text(), 'through exec');
      const failing = await container.exec(processSpec(['false']), new CollectingSink(), t.signal);
      assert.equal((await exitOf(failing)).exitCode, 1);
      await failing.release();
      const quiet = await container.exec(
        processSpec(['echo', 'unheard'], { discardOutput: true }),
        new CollectingSink(),
        t.signal,
      );
      assert.equal((await exitOf(quiet)).exitCode, 0);
    });

    void test('what cannot start says why, and the sandbox goes on', async (t) => {
      await using pod = await sandbox(t.signal);
      const refused = async (args: string[], more: Partial<ProcessSpec> = {}) => {
        try {
          await run(pod, t.signal, args, more);
        } catch (error) {
          return error;
        }
        return assert.fail(`${args.join(' ')} started`);
      };
      const missing = await refused(['no-such-command']);
      assert.ok(missing instanceof StartError && missing.exitCode === 127, String(missing));
      const notExecutable = await refused(['/etc/passwd']);
      assert.ok(notExecutable instanceof StartError && notExecutable.exitCode === 126, String(notExecutable));
      const noUser = await refused(['true'], { user: 'nobody-there' });
      assert.ok(!(noUser instanceof StartError));
      await assert.rejects(run(pod, t.signal, ['true'], { capabilities: ['FLY'] }), {
        code: 'invalid_argument',
      });
      const { container } = await run(pod, t.signal, ['true']);
      assert.equal((await exitOf(container.process)).exitCode, 0);
    });

    void test("hostname, limits, statistics and processes are the container's", async (t) => {
      await using pod = await sandbox(t.signal);
      const { container } = await run(pod, t.signal, ['sleep', '1000']);
      const name = new CollectingSink();
      await exitOf(await container.exec(processSpec(['hostname']), name, t.signal));
      assert.equal(name.text(), 'pod\n');
      await container.update({ pidsMax: 100, memoryMaxBytes: 100 << 20 });
      const stats = await container.stats();
      assert.ok(stats.pids >= 1n);
      assert.ok(stats.memoryBytes > 0n);
      const processes = await container.top();
      assert.ok(processes.some(({ command }) => command.includes('sleep')));
      await container.freeze(true);
      await container.freeze(false);
    });

    void test('a start that is given up leaves the sandbox usable', async (t) => {
      await using pod = await sandbox(t.signal);
      const abort = new AbortController();
      const starting = run(pod, abort.signal, ['sleep', '1000']);
      abort.abort(new Error('changed my mind'));
      await assert.rejects(starting);
      const { container } = await run(pod, t.signal, ['true']);
      assert.equal((await exitOf(container.process)).exitCode, 0);
    });

    void test('a sandbox that is given up while it is made leaves nothing', async () => {
      await assert.rejects(sandbox(AbortSignal.abort(new Error('never mind'))));
      const abort = new AbortController();
      const making = sandbox(abort.signal);
      abort.abort(new Error('changed my mind'));
      const outcome = await making.then(
        (pod) => pod,
        () => undefined,
      );
      await outcome?.destroy();
      assert.deepEqual(await host.leftovers(), []);
    });

    void test('when the VMM dies everything is told, and nothing is left', async (t) => {
      const pod = await sandbox(t.signal);
      const { container, sink } = await run(pod, t.signal, ['cat'], { stdinOpen: true });
      host.crash(pod);
      const why = await pod.lost;
      assert.notEqual(why, '');
      const exit = await container.process.exited;
      assert.ok('lost' in exit);
      await container.process.drained;
      assert.deepEqual([...sink.closed].sort(), ['stderr', 'stdout']);
      await assert.rejects(container.exec(processSpec(['true']), new CollectingSink(), t.signal));
      await container.remove();
      await pod.destroy();
      assert.deepEqual(await host.leftovers(), []);
    });

    void test('destroying it ends what runs in it', async (t) => {
      const pod = await sandbox(t.signal);
      const { container } = await run(pod, t.signal, ['sleep', '1000']);
      await pod.destroy();
      assert.ok('lost' in (await container.process.exited));
      await container.process.drained;
    });

    void test('after the daemon was killed, the next one goes on where the output was', async (t) => {
      const pod = await sandbox(t.signal);
      const size = 3_000_000;
      const gate: PromiseWithResolvers<void> = Promise.withResolvers();
      class GatedSink extends CollectingSink {
        override async write(stream: 'stdout' | 'stderr', offset: bigint, chunk: Buffer): Promise<void> {
          if (offset > 500_000n) await gate.promise;
          await super.write(stream, offset, chunk);
        }
      }
      const script = `head -c ${size} /dev/zero; echo done >&2; exit 5`;
      const { container, sink } = await run(pod, t.signal, ['sh', '-c', script], {}, new GatedSink(false));
      const other = await container.exec(processSpec(['sleep', '1000']), new CollectingSink(), t.signal);
      while (sink.next.stdout <= 400_000n) await new Promise(setImmediate);
      const runtime = await host.restart();
      const again = await runtime.resumeSandbox(pod.record, t.signal);
      assert.ok(again);
      assert.equal(again.id, pod.id);
      const rest = new CollectingSink();
      rest.next.stdout = sink.next.stdout;
      const found = await again.resumeContainer(
        container.record,
        { record: container.process.record, stdoutOffset: sink.next.stdout, stderrOffset: 0n, sink: rest },
        t.signal,
      );
      assert.ok(found);
      const exec = await found.resumeExec(
        { record: other.record, stdoutOffset: 0n, stderrOffset: 0n, sink: new CollectingSink() },
        t.signal,
      );
      assert.ok(exec);
      await runtime.removeStrays(new Set([again.id]));
      assert.equal((await exitOf(found.process)).exitCode, 5);
      assert.equal(rest.next.stdout, BigInt(size));
      assert.equal(rest.text('stderr'), 'done\n');
      await found.process.release();
      // With a container's first process end the others, as in any process namespace.
      const killed = await exitOf(exec);
      assert.equal(killed.exitCode, 137);
      await found.remove();
      await again.destroy();
      gate.resolve();
      assert.deepEqual(await host.leftovers(), []);
    });

    void test('what nobody knows is removed at start', async (t) => {
      const pod = await sandbox(t.signal);
      await run(pod, t.signal, ['sleep', '1000']);
      const runtime = await host.restart();
      await runtime.removeStrays(new Set());
      assert.deepEqual(await host.leftovers(), []);
      assert.equal(await runtime.resumeSandbox(pod.record, t.signal), undefined);
    });

    void test('what is known is no stray, in whichever order that is asked', async (t) => {
      const pod = await sandbox(t.signal);
      const runtime = await host.restart();
      await runtime.removeStrays(new Set([pod.id]));
      const again = await runtime.resumeSandbox(pod.record, t.signal);
      assert.ok(again);
      await again.destroy();
      assert.deepEqual(await host.leftovers(), []);
    });
  });
}
