/**
 * DVM's own API, `/dvm/v1`: what Docker has no word for. The schemas validate, type and document it: the daemon's
 * OpenAPI document is generated from them. Clients import the types.
 */
import * as z from 'zod';

export const errorSchema = z.strictObject({
  code: z.string().meta({ description: 'invalid_argument, not_found, unavailable, … (stable)' }),
  message: z.string().meta({ description: 'For people: what failed, on what, why, and what to do.' }),
});
export type DvmError = z.infer<typeof errorSchema>;

export const kernelKindSchema = z.enum(['trimmed', 'stock', 'custom']);

export const infoSchema = z.strictObject({
  version: z.string(),
  vmm: z.strictObject({ name: z.string(), version: z.string() }),
  accelerator: z.strictObject({
    name: z.string().meta({ description: 'kvm or tcg' }),
    reason: z.string().meta({ description: 'Why this one: what the probe found, or who chose it.' }),
  }),
  kernel: z.strictObject({
    kind: kernelKindSchema,
    release: z.string(),
    path: z.string(),
    reason: z.string().meta({ description: 'Why this one is used.' }),
  }),
  pool: z.strictObject({ target: z.int(), ready: z.int() }),
  templates: z.int(),
  defaults: z.strictObject({ memoryBytes: z.int(), vcpus: z.int() }),
  containers: z.strictObject({ running: z.int(), paused: z.int(), stopped: z.int() }),
  images: z.int(),
  dataDirectory: z.string(),
  stateDirectory: z.string(),
  socket: z.string(),
  pid: z.int(),
  warnings: z.array(z.string()),
});
export type DvmInfo = z.infer<typeof infoSchema>;

export const hostCheckSchema = z.strictObject({
  name: z.string().meta({ description: 'What was looked at: "KVM", "QEMU", "cgroups", …' }),
  status: z.enum(['ok', 'warning', 'failed']),
  message: z.string().meta({ description: 'What was found.' }),
  advice: z.string().optional().meta({ description: 'What to install or change; absent when all is well.' }),
});
export type HostCheck = z.infer<typeof hostCheckSchema>;

export const doctorSchema = z.strictObject({ healthy: z.boolean(), checks: z.array(hostCheckSchema) });
export type DvmDoctor = z.infer<typeof doctorSchema>;

export const originSchema = z.strictObject({
  how: z.enum(['pool', 'template', 'boot']),
  vmm: z.string(),
  accelerator: z.string(),
  kernelRelease: z.string(),
  kernelKind: z.string(),
  startMs: z.number().meta({ description: 'From `start` being asked to the process running, milliseconds.' }),
});
export type ContainerOrigin = z.infer<typeof originSchema>;

export const spanSchema = z.strictObject({
  name: z.string(),
  startMs: z.number().meta({ description: "Since the trace's first span began, milliseconds." }),
  durationMs: z.number(),
});

export const traceSchema = z.strictObject({
  spans: z
    .array(spanSchema)
    .meta({ description: 'The steps of the last start, in the order in which they began.' }),
});
export type ContainerTrace = z.infer<typeof traceSchema>;
