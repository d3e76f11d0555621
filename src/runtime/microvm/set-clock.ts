import type { AgentConnection } from '../../agent/agent-connection.ts';

/** The host's clock, ns since the epoch. */
export function wallClockNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

/** A guest whose clock may be further off than this is told the time again. */
const toleranceNs = 20_000_000n;
const mostAttempts = 6;

/**
 * Checks the guest's clock against the host's, and sets it until it is right. A clock that was set once is late by the time
 * the message took: nothing on an idle host, a quarter of a second when eight clones start on two cores.
 */
export async function correctClock(agent: AgentConnection, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const askedNs = wallClockNs();
    const { wallClockNs: guestNs } = await agent.request({ type: 'ping' }, { signal });
    const answeredNs = wallClockNs();
    if (answeredNs - guestNs <= toleranceNs && guestNs - askedNs <= toleranceNs) return;
    // Between question and answer: nothing is known to be wrong, the answer only took long.
    if (guestNs >= askedNs && guestNs <= answeredNs) continue;
    const wayNs = (answeredNs - askedNs) / 2n;
    await agent.request({ type: 'setClock', wallClockNs: wallClockNs() + wayNs }, { signal });
  }
}
