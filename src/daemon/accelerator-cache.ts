/** What the probe of KVM found, kept until the host boots again or its /dev/kvm comes or goes. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { writeFileAtomically } from '../system/atomic-file.ts';
import { isErrno } from '../system/errno.ts';
import { probeAccelerator } from '../vmm/qemu/probe-accelerator.ts';
import type { AcceleratorProbe } from '../vmm/qemu/probe-accelerator.ts';

const probeSchema = z.strictObject({
  accelerator: z.enum(['kvm', 'tcg']),
  explanation: z.string(),
  kvm: z.strictObject({
    status: z.enum(['works', 'no-device', 'no-permission', 'does-not-run']),
    explanation: z.string(),
  }),
  tscKhz: z.number().exactOptional(),
});
const cacheSchema = z.strictObject({
  bootId: z.string(),
  wanted: z.string(),
  device: z.boolean(),
  probe: probeSchema,
});
type CacheKey = Omit<z.output<typeof cacheSchema>, 'probe'>;

/** A probe takes up to some seconds where KVM does not answer; most starts of the daemon need none. */
export async function cachedAcceleratorProbe(
  stateDirectory: string,
  wanted: 'auto' | 'kvm' | 'tcg',
  signal: AbortSignal,
): Promise<AcceleratorProbe> {
  const path = join(stateDirectory, 'accelerator.json');
  const key: CacheKey = {
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    wanted,
    device: existsSync('/dev/kvm'),
  };
  const known = readCache(path, key);
  if (known !== undefined) return known;
  const probe = await probeAccelerator({ wanted }, signal);
  await writeFileAtomically(path, JSON.stringify({ ...key, probe }));
  return probe;
}

function readCache(path: string, key: CacheKey): AcceleratorProbe | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  const parsed = cacheSchema.safeParse(parseJson(text));
  if (!parsed.success) return undefined; // another version's: probed anew
  const { bootId, wanted, device, probe } = parsed.data;
  const holds = bootId === key.bootId && wanted === key.wanted && device === key.device;
  return holds ? probe : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
