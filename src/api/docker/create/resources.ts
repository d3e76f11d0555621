/** Docker's limits as the engine takes them, and back for inspect. Zero and null mean "not given". */
import { EngineError } from '../../../errors/engine-error.ts';
import type { ContainerResources } from '../../../engine/ports/pod-runtime.ts';
import type { Resources } from '../types.ts';

/** --cpus is a quota in periods of this length. */
const nanoCpusPeriodUs = 100_000;

/** What zod makes of the request: every field may be undefined. */
type GivenResources = { readonly [K in keyof Resources]: number | undefined };

/** Only the limits that are given stand in the result. */
export function toContainerResources(given: GivenResources): ContainerResources {
  const memory = positive(given.Memory);
  const swap = given.MemorySwap === 0 ? undefined : given.MemorySwap;
  const reservation = positive(given.MemoryReservation);
  const shares = positive(given.CpuShares);
  const pids = given.PidsLimit === 0 ? undefined : given.PidsLimit;
  return {
    ...(memory !== undefined && { memoryMaxBytes: memory }),
    ...(reservation !== undefined && { memoryReservationBytes: reservation }),
    ...(swap !== undefined && { memorySwapBytes: swap }),
    ...toCpuQuota(given),
    ...(shares !== undefined && { cpuShares: shares }),
    ...(pids !== undefined && { pidsMax: pids }),
  };
}

function toCpuQuota(given: GivenResources): ContainerResources {
  const nanoCpus = positive(given.NanoCpus);
  const quota = given.CpuQuota === 0 ? undefined : given.CpuQuota;
  const period = positive(given.CpuPeriod);
  if (nanoCpus !== undefined && (quota !== undefined || period !== undefined))
    throw new EngineError(
      'invalid_argument',
      'Conflicting options: Nano CPUs and CPU Period or Quota cannot both be set',
    );
  if (nanoCpus !== undefined)
    return { cpuQuotaUs: Math.max(1000, Math.round(nanoCpus / 10_000)), cpuPeriodUs: nanoCpusPeriodUs };
  return {
    ...(quota !== undefined && { cpuQuotaUs: quota }),
    ...(period !== undefined && { cpuPeriodUs: period }),
  };
}

export function fromContainerResources(resources: ContainerResources): Required<Resources> {
  const { cpuQuotaUs = 0, cpuPeriodUs = 0 } = resources;
  const asNano = cpuPeriodUs === nanoCpusPeriodUs && cpuQuotaUs > 0;
  return {
    Memory: resources.memoryMaxBytes ?? 0,
    MemoryReservation: resources.memoryReservationBytes ?? 0,
    MemorySwap: resources.memorySwapBytes ?? 0,
    NanoCpus: asNano ? cpuQuotaUs * 10_000 : 0,
    CpuShares: resources.cpuShares ?? 0,
    CpuPeriod: asNano ? 0 : cpuPeriodUs,
    CpuQuota: asNano ? 0 : cpuQuotaUs,
    PidsLimit: resources.pidsMax ?? null,
  };
}

function positive(value: number | undefined): number | undefined {
  return value === undefined || value === 0 ? undefined : value;
}
