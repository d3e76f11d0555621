import { EngineError } from '../errors/engine-error.ts';

const factors: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 2 ** 10],
  ['m', 2 ** 20],
  ['g', 2 ** 30],
]);

/** Guest memory in bytes, from a number or "512m", "4g"; a multiple of 2 MiB, as the VMM needs it. */
export function parseMemory(value: string | number): number {
  const match = /^(\d{1,15})\s*([kmg]?)i?b?$/i.exec(String(value).trim());
  const bytes = Number(match?.[1] ?? 0) * (factors.get((match?.[2] ?? '').toLowerCase()) ?? 0);
  if (bytes < 64 * 2 ** 20 || bytes > 2 ** 42)
    throw new EngineError('invalid_argument', `memory: "${value}" is not a size from 64m to 4096g`);
  return Math.ceil(bytes / (2 << 20)) * (2 << 20);
}
