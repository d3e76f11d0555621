/** The resource flags of `run`, `create` and `update`, in the API's words. */
import type { Resources } from '../../client/api-types.ts';
import type { FlagValues } from '../arguments/flag-values.ts';
import { parseCpus, parseMemory, parseMemoryOrUnlimited } from './resource-values.ts';

/** Only what was given. */
export function resourcesFrom(flags: FlagValues): Resources {
  return {
    ...(flags.isSet('memory') && { Memory: parseMemory(flags.string('memory')) }),
    ...(flags.isSet('memory-reservation') && {
      MemoryReservation: parseMemory(flags.string('memory-reservation')),
    }),
    ...(flags.isSet('memory-swap') && { MemorySwap: parseMemoryOrUnlimited(flags.string('memory-swap')) }),
    ...(flags.isSet('cpus') && { NanoCpus: parseCpus(flags.string('cpus')) }),
    ...(flags.isSet('cpu-shares') && { CpuShares: flags.int('cpu-shares') }),
    ...(flags.isSet('cpu-period') && { CpuPeriod: flags.int('cpu-period') }),
    ...(flags.isSet('cpu-quota') && { CpuQuota: flags.int('cpu-quota') }),
    ...(flags.isSet('pids-limit') && { PidsLimit: flags.int('pids-limit') }),
  };
}
