/** Release-blocking: clones of one template have nothing in common that must not be. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { CollectingSink, containerSpec, exitOf, processSpec } from '../conformance/pod-runtime.ts';
import { realRuntimeHost } from './runtime-host.ts';

const clones = 8;
const script = [
  'echo random $(head -c 32 /dev/urandom | md5sum)',
  'echo getrandom $(cat /proc/sys/kernel/random/uuid)',
  'echo boot $(cat /proc/sys/kernel/random/boot_id)',
  'echo machine $(cat /etc/machine-id)',
  'echo host $(hostname)',
  'echo mac $(cat /sys/class/net/e*/address 2>/dev/null || echo none)',
].join('; ');

test('eight clones: no two with the same random bytes, ids, hostname or MAC, and each clock right to 50 ms', async (t) => {
  await using host = await realRuntimeHost();
  const { runtime } = host;
  const pods = await Promise.all(
    Array.from({ length: clones }, async (_, n) => ({
      n,
      sandbox: await runtime.createSandbox(
        { id: randomBytes(32).toString('hex'), hostname: `pod-${n}` },
        t.signal,
      ),
    })),
  );
  const seen = new Map<string, Set<string>>();
  for (const { n, sandbox } of pods) {
    assert.equal(sandbox.origin.how, 'template');
    const sink = new CollectingSink();
    const writablePath = await host.makeDisk();
    const request = containerSpec(host.layers, processSpec(['sh', '-c', script]), { writablePath });
    const container = await sandbox.startContainer(request, sink, t.signal);
    assert.equal((await exitOf(container.process)).exitCode, 0, sink.text('stderr'));
    const lines = sink.text().trim().split('\n');
    assert.equal(lines.length, 6, sink.text());
    for (const line of lines) {
      const [what = '', value = ''] = line.split(' ');
      assert.notEqual(value, '', line);
      seen.set(what, (seen.get(what) ?? new Set()).add(value));
    }
    assert.match(sink.text(), new RegExp(`^host pod-${n}$`, 'm'));
    assert.match(sink.text(), /^machine [0-9a-f]{32}$/m);
    const { identity } = sandbox.record as unknown as { identity: Record<string, string> };
    for (const [name, value] of Object.entries(identity)) {
      seen.set(`told ${name}`, (seen.get(`told ${name}`) ?? new Set()).add(value));
    }
  }
  for (const [what, values] of seen) {
    // Without a network device there is no address to be the same; what the guest was told is checked above.
    if (what === 'mac' && values.size === 1 && values.has('none')) continue;
    assert.equal(values.size, clones, `${what}: ${[...values].join(', ')}`);
  }
  for (const { n, sandbox } of pods) {
    const errorMs = await clockErrorMs(sandbox, host);
    assert.ok(errorMs < 50, `the clock of clone ${n} is wrong by ${errorMs} ms`);
  }
  await Promise.all(pods.map(({ sandbox }) => sandbox.destroy()));
  assert.deepEqual(await host.leftovers(), []);
});

type Host = Awaited<ReturnType<typeof realRuntimeHost>>;
type Pod = Awaited<ReturnType<Host['runtime']['createSandbox']>>;

/**
 * A shell that prints its clock whenever it reads a line: the guest's time lies between sending and receiving. The best
 * of some tries bounds its error.
 */
async function clockErrorMs(sandbox: Pod, host: Host): Promise<number> {
  const sink = new CollectingSink();
  const read =
    'while read line; do adjtimex | grep -E "time.tv_(sec|usec)" | tr -dc "0-9 \\n"; echo end; done';
  const request = containerSpec(host.layers, processSpec(['sh', '-c', read], { stdinOpen: true }));
  const container = await sandbox.startContainer(request, sink, AbortSignal.timeout(20_000));
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const before = Date.now();
    await container.process.writeStdin(Buffer.from('now\n'));
    while (sink.text().split('end\n').length < round + 2) await new Promise(setImmediate);
    const after = Date.now();
    const answer = sink.text().split('end\n')[round] ?? '';
    const [seconds = NaN, fraction = NaN] = answer.trim().split(/\s+/).map(Number);
    // adjtimex says microseconds, or nanoseconds when the clock is in that mode.
    const guest = seconds * 1000 + fraction / (fraction >= 1e6 ? 1e6 : 1e3);
    const error = guest < before ? before - guest : guest > after ? guest - after : 0;
    best = Math.min(best, Math.abs(error));
  }
  await container.process.closeStdin();
  await exitOf(container.process);
  await container.remove();
  return best;
}
