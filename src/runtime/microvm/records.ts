/** What the engine keeps for us across a daemon's restarts. It comes back from disk: parsed, never trusted. */
import { z } from 'zod';
import type { Json } from '../../engine/model/json.ts';
import { EngineError } from '../../errors/engine-error.ts';

const json: z.ZodType<Json> = z.json();
const handle = z.int().min(1).max(0xffff_ffff);
const kernelKind = z.enum(['trimmed', 'stock', 'custom']);

const sandboxRecord = z.strictObject({
  version: z.literal(1),
  id: z.string(),
  machine: json,
  uid: z.int().min(1),
  vcpus: z.int().min(1),
  memoryBytes: z.int().min(1),
  initramfsPath: z.string(),
  kernel: z.strictObject({ path: z.string(), kind: kernelKind, release: z.string(), hash: z.string() }),
  templateKey: z.string().nullable(),
  identity: z.strictObject({ bootId: z.string(), machineId: z.string(), mac: z.string() }),
  origin: z.strictObject({
    how: z.enum(['pool', 'template', 'boot']),
    vmm: z.string(),
    accelerator: z.string(),
    kernelRelease: z.string(),
    kernelKind,
  }),
});
export type SandboxRecord = z.infer<typeof sandboxRecord>;

const processRecord = z.strictObject({
  version: z.literal(1),
  process: handle,
  container: handle,
  tty: z.boolean(),
  stdinOpen: z.boolean(),
  discardOutput: z.boolean(),
});
export type ProcessRecord = z.infer<typeof processRecord>;

const containerRecord = z.strictObject({
  version: z.literal(1),
  container: handle,
  id: z.string(),
  disks: z.array(z.strictObject({ name: z.string(), serial: z.string() })),
});
export type ContainerRecord = z.infer<typeof containerRecord>;

export function parseSandboxRecord(record: Json): SandboxRecord {
  return parse('sandbox', sandboxRecord, record);
}

export function parseContainerRecord(record: Json): ContainerRecord {
  return parse('container', containerRecord, record);
}

export function parseProcessRecord(record: Json): ProcessRecord {
  return parse('process', processRecord, record);
}

function parse<T>(what: string, schema: z.ZodType<T>, record: Json): T {
  const result = schema.safeParse(record);
  if (result.success) return result.data;
  throw new EngineError(
    'data_loss',
    `the stored record of a ${what} is not one of this version's: ${z.prettifyError(result.error)}`,
  );
}
