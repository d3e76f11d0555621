import { randomBytes } from 'node:crypto';
import type { AgentConnection } from '../../agent/agent-connection.ts';
import type { GuestIdentity } from './guest-machine.ts';
import { correctClock, wallClockNs } from './set-clock.ts';

/** Makes a clone unlike every other one, before anything of a user's runs in it. */
export async function personalise(
  agent: AgentConnection,
  hostname: string,
  signal: AbortSignal,
): Promise<GuestIdentity> {
  const machineId = randomBytes(16).toString('hex');
  const mac = randomMac();
  const entropy = randomBytes(64);
  const message = {
    type: 'personalise',
    entropy,
    wallClockNs: wallClockNs(),
    hostname,
    machineId,
    mac,
  } as const;
  const { bootId } = await agent.request(message, { signal });
  await correctClock(agent, signal);
  return { bootId, machineId, mac: mac.toString('hex') };
}

/** Locally administered, one station's (IEEE 802: second-lowest bit of the first byte set, lowest clear). */
function randomMac(): Buffer {
  const mac = randomBytes(6);
  mac.writeUInt8((mac.readUInt8(0) & 0xfc) | 0x02, 0);
  return mac;
}
