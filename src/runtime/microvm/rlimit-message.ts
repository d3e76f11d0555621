import { EngineError } from '../../errors/engine-error.ts';
import type { Rlimit } from '../../engine/ports/pod-runtime.ts';

/** asm-generic/resource.h. */
const resources: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};
const infinity = (1n << 64n) - 1n;

/** A limit as the agent takes it. Throws `invalid_argument` for a resource Linux does not have. */
export function rlimitMessage(limit: Rlimit): { resource: number; soft: bigint; hard: bigint } {
  const resource = Object.hasOwn(resources, limit.resource) ? resources[limit.resource] : undefined;
  if (resource === undefined) {
    throw new EngineError(
      'invalid_argument',
      `there is no resource limit "${limit.resource}"; there are ${Object.keys(resources).join(', ')}`,
    );
  }
  return { resource, soft: amount(limit.soft), hard: amount(limit.hard) };
}

function amount(value: number): bigint {
  if (value === -1) return infinity;
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new EngineError('invalid_argument', `${value} is not a resource limit; use -1 for unlimited`);
  }
  return BigInt(value);
}
