/** Whatever a guest sends: the host holds little, throws nothing anywhere, and ends the connection by name. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { EngineError } from '../errors/engine-error.ts';
import { ByteWriter } from '../guest-protocol/bytes.ts';
import { encodeAgentFrame, encodeSync, SyncHunter } from '../guest-protocol/frames.ts';
import { generation, limits, opcodes } from '../guest-protocol/generated.ts';
import type { AgentMessage, HelloMessage } from '../guest-protocol/generated.ts';
import { AgentConnection } from './agent-connection.ts';

/** The same numbers in every run: a failure can be looked at again. */
class Random {
  #state: Buffer;
  #used = 0;
  constructor(seed: number) {
    this.#state = createHash('sha256').update(String(seed)).digest();
  }
  below(n: number): number {
    if (this.#used + 4 > this.#state.length) {
      this.#state = createHash('sha256').update(this.#state).digest();
      this.#used = 0;
    }
    this.#used += 4;
    return this.#state.readUInt32LE(this.#used - 4) % n;
  }
  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

const hello: HelloMessage = {
  type: 'hello',
  agentVersion: 'hostile',
  kernelRelease: '',
  personalised: true,
  memoryTotal: 0n,
  memoryAvailable: 0n,
  vcpus: 1,
  containers: [],
  processes: [],
};

function messages(random: Random): AgentMessage[] {
  const offset = BigInt(random.below(4) === 0 ? random.below(2 ** 31) : random.below(3));
  const bytes = Buffer.alloc(random.below(200));
  return [
    { type: 'data', stream: random.below(2) === 0 ? 'stdout' : 'stderr', offset, bytes },
    { type: 'closed', stream: 'stdout', offset },
    { type: 'stdinWindow', acked: offset, limit: offset * 2n ** 33n, closed: random.below(9) === 0 },
    {
      type: 'exited',
      container: 1,
      exitCode: 3,
      signal: random.below(256),
      oomKilled: false,
      exitedAtNs: 2n ** 64n - 1n,
    },
    { type: 'pingReply', wallClockNs: offset },
    { type: 'error', code: 'internal', errno: -1, message: '\x1b[2J' },
    hello,
  ];
}

/** A frame: whole, with random bytes for a payload, cut short, or with a bit of it turned. */
function frame(random: Random, session: number): Buffer {
  const all = messages(random);
  const message = all[random.below(all.length)] ?? hello;
  const whole = encodeAgentFrame(session, random.below(4), message);
  switch (random.below(12)) {
    case 0: {
      const broken = Buffer.from(whole);
      const at = random.below(broken.length);
      broken.writeUInt8(broken.readUInt8(at) ^ (1 << random.below(8)), at);
      return broken;
    }
    case 1:
      return whole.subarray(0, random.below(whole.length));
    case 2: {
      const names = Object.values(opcodes);
      const payload = random.bytes(random.below(100));
      const writer = new ByteWriter(0, 4096);
      writer.u32(payload.length);
      writer.u32(session);
      writer.u16(names[random.below(names.length)] ?? 0);
      writer.u16(0);
      writer.u32(random.below(4));
      writer.rest(payload, 4096);
      writer.u32(session);
      return writer.finish();
    }
    default:
      return whole;
  }
}

async function againstHostileGuest(seed: number, signal: AbortSignal): Promise<EngineError> {
  const random = new Random(seed);
  const [host, guest] = duplexPair();
  const hunter = new SyncHunter('host', () => true);
  const ready: PromiseWithResolvers<number> = Promise.withResolvers();
  guest.on('error', () => undefined); // the host may hang up at any time
  guest.on('data', (chunk: Buffer) => {
    const found = hunter.push(chunk);
    if (found === undefined) return;
    guest.write(random.bytes(random.below(5000)));
    guest.write(encodeSync('agent', { ...found.sync, generation }, false));
    guest.write(encodeAgentFrame(found.sync.session, 0, hello));
    ready.resolve(found.sync.session);
  });
  const connection = await AgentConnection.open(host, { fresh: true, signal, warn: () => undefined });
  const session = await ready.promise;
  const spec = {
    process: 1,
    args: ['x'],
    env: [],
    cwd: '/',
    user: '',
    additionalGroups: [],
    tty: false,
    rows: 0,
    cols: 0,
    stdinOpen: true,
    rlimits: [],
    capabilities: { bounding: 0n, effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n },
    noNewPrivileges: false,
    oomScoreAdj: 0,
    discardOutput: false,
  };
  let taken = 0;
  const sink = {
    write: (_: string, _offset: bigint, chunk: Buffer) => void (taken += chunk.length),
    close: () => undefined,
  };
  const starting = connection.exec(1, spec, sink);
  const pinging = connection.request({ type: 'ping' });
  const settled = Promise.allSettled([starting, pinging]);
  for (let sent = 0; sent < 300 && !guest.destroyed; sent++) guest.write(frame(random, session));
  guest.end();
  const ended = await connection.ended;
  connection.loseProcesses('over');
  for (const outcome of await settled) {
    if (outcome.status === 'rejected')
      assert.ok(outcome.reason instanceof EngineError, String(outcome.reason));
    else if ('process' in outcome.value) {
      await outcome.value.process.exited;
      await outcome.value.process.drained;
    }
  }
  assert.ok(taken <= 300 * limits.MAX_DATA);
  return ended;
}

test('five hundred hostile guests', async (t) => {
  const reasons = new Set<string>();
  for (let seed = 0; seed < 500; seed++) {
    const ended = await againstHostileGuest(seed, t.signal);
    assert.equal(ended.code, 'unavailable', ended.message);
    assert.match(ended.message, /^guest channel: /);
    reasons.add(ended.message.replaceAll(/\d+/g, 'N'));
  }
  assert.ok(reasons.size > 8, 'they failed in many ways');
});
