/** How the host is off for memory: what decides a machine's size and whether the pool may keep any. */
import { readFileSync } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import { isErrno } from '../../system/errno.ts';

export interface HostMemory {
  readonly totalBytes: number;
  readonly availableBytes: number;
  /** Share of the last ten seconds in which something waited for memory, percent; 0 where the kernel does not say. */
  readonly pressurePercent: number;
}

export function readHostMemory(): HostMemory {
  return parseHostMemory(readFileSync('/proc/meminfo', 'utf8'), readPressure());
}

/** `pressure` is /proc/pressure/memory, '' where there is none. */
export function parseHostMemory(meminfo: string, pressure: string): HostMemory {
  const some = /^some avg10=([\d.]+)/m.exec(pressure)?.[1];
  return {
    totalBytes: kibibytes(meminfo, 'MemTotal'),
    availableBytes: kibibytes(meminfo, 'MemAvailable'),
    pressurePercent: some === undefined ? 0 : Number(some),
  };
}

/** Whether machines that nobody uses should go: under a tenth (at most 1 GiB) available, or work stalls for memory. */
export function isMemoryLow(memory: HostMemory): boolean {
  const reserve = Math.min(memory.totalBytes / 10, 1 << 30);
  return memory.availableBytes < reserve || memory.pressurePercent >= 10;
}

function kibibytes(meminfo: string, key: string): number {
  const value = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1];
  if (value === undefined) throw new EngineError('internal', `/proc/meminfo has no line for ${key}`);
  return Number(value) * 1024;
}

function readPressure(): string {
  try {
    return readFileSync('/proc/pressure/memory', 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EOPNOTSUPP')) return '';
    throw error;
  }
}
