/** Figures the fake agent gives: plausible, and nothing more. */
import type { ContainerStatsReplyMessage, SandboxStatsReplyMessage } from '../guest-protocol/generated.ts';

export function fakeSandboxStats(memoryBytes: number): SandboxStatsReplyMessage {
  const memory = BigInt(memoryBytes);
  return {
    type: 'sandboxStatsReply',
    memoryTotal: memory,
    memoryFree: memory,
    memoryAvailable: memory,
    pageCache: 0n,
    slab: 0n,
    agentRss: 0n,
    uptimeNs: 1n,
  };
}

export function fakeContainerStats(processes: number): ContainerStatsReplyMessage {
  return {
    type: 'containerStatsReply',
    cpuUsageNs: 1n,
    cpuUserNs: 1n,
    cpuSystemNs: 0n,
    throttledPeriods: 0n,
    periods: 0n,
    throttledNs: 0n,
    memoryCurrent: 4096n,
    memoryPeak: 4096n,
    memoryMax: 0n,
    memoryFile: 0n,
    memoryInactiveFile: 0n,
    memoryAnon: 4096n,
    pidsCurrent: BigInt(processes),
    pidsMax: 0n,
    readBytes: 0n,
    writeBytes: 0n,
    readOps: 0n,
    writeOps: 0n,
  };
}
