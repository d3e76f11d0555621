/** Waiting for the pool: a run that finds it full and one that does not are two different measurements. */
import { setTimeout as delay } from 'node:timers/promises';
import type { DaemonClient } from '../src/client/daemon-client.ts';
import type { DvmInfo } from '../src/api/dvm/schemas.ts';

const pollMs = 20;
const longestMs = 120_000;

/** Nothing announces that the pool is full, so it is asked for. */
export async function waitForFullPool(client: DaemonClient): Promise<void> {
  const deadline = performance.now() + longestMs;
  for (;;) {
    const { pool } = await client.json<DvmInfo>('GET', '/dvm/v1/info');
    if (pool.ready >= pool.target) return;
    if (performance.now() > deadline) throw new Error(`the pool stays at ${pool.ready} of ${pool.target}`);
    await delay(pollMs);
  }
}
