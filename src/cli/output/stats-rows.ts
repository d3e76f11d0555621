/** A container's consumption as a row of `stats`. */
import type { ContainerStatsResponse } from '../../client/api-types.ts';
import type { Fields } from '../template/values.ts';
import { binarySize, humanSize, shortId } from './human-units.ts';

export const statsHeaders = {
  Container: 'CONTAINER',
  Name: 'NAME',
  ID: 'CONTAINER ID',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET I/O',
  BlockIO: 'BLOCK I/O',
  PIDs: 'PIDS',
} as const;

export interface StatsSample {
  /** As it was asked for. */
  readonly name: string;
  /** Undefined: nothing came. */
  readonly stats: ContainerStatsResponse | undefined;
}

const nothing = '--';

export function statsRow({ name, stats }: StatsSample, truncate: boolean): Fields {
  if (stats === undefined) {
    return {
      Container: name,
      Name: nothing,
      ID: nothing,
      CPUPerc: nothing,
      MemUsage: `${nothing} / ${nothing}`,
      MemPerc: nothing,
      NetIO: nothing,
      BlockIO: nothing,
      PIDs: nothing,
    };
  }
  const memory = memoryWithoutCache(stats);
  const limit = stats.memory_stats.limit ?? 0;
  const network = networkBytes(stats);
  const block = blockBytes(stats);
  return {
    Container: name,
    Name: stats.name.replace(/^\//, ''),
    ID: truncate ? shortId(stats.id) : stats.id,
    CPUPerc: `${cpuPercent(stats).toFixed(2)}%`,
    MemUsage: `${binarySize(memory)} / ${binarySize(limit)}`,
    MemPerc: `${(limit === 0 ? 0 : (memory / limit) * 100).toFixed(2)}%`,
    NetIO: `${humanSize(network.received, 3)} / ${humanSize(network.sent, 3)}`,
    BlockIO: `${humanSize(block.read, 3)} / ${humanSize(block.written, 3)}`,
    PIDs: String(stats.pids_stats.current ?? 0),
  };
}

/** Of one processor: two busy ones are 200 %. */
function cpuPercent({ cpu_stats: now, precpu_stats: before }: ContainerStatsResponse): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  return used > 0 && passed > 0 ? (used / passed) * (now.online_cpus ?? 1) * 100 : 0;
}

/** What the page cache would give back is not counted, as in docker's own client. */
function memoryWithoutCache({ memory_stats: { usage = 0, stats = {} } }: ContainerStatsResponse): number {
  const cache = stats['total_inactive_file'] ?? stats['inactive_file'] ?? 0;
  return cache < usage ? usage - cache : usage;
}

function networkBytes({ networks = {} }: ContainerStatsResponse): {
  readonly received: number;
  readonly sent: number;
} {
  const sum = (field: string) =>
    Object.values(networks).reduce((total, network) => total + (network[field] ?? 0), 0);
  return { received: sum('rx_bytes'), sent: sum('tx_bytes') };
}

function blockBytes({ blkio_stats }: ContainerStatsResponse): {
  readonly read: number;
  readonly written: number;
} {
  const sum = (letter: string) =>
    (blkio_stats.io_service_bytes_recursive ?? [])
      .filter(({ op }) => op.toLowerCase().startsWith(letter))
      .reduce((total, { value }) => total + value, 0);
  return { read: sum('r'), written: sum('w') };
}
