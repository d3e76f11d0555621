/** The fields of POST /containers/create that DVM acts on or shows again. The others are looked at by `refuse-fields.ts`. */
import * as z from 'zod';

/** Go writes an absent list, map or number as null. */
function orNull<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

const count = z.int().min(0);
/** Docker takes ["sh", "-c", "x"], and "x" for ["x"]. */
const words = z.union([z.array(z.string()), z.string().transform((word) => [word])]);
const textMap = z.record(z.string(), z.string());
/** Docker's sets: {"80/tcp": {}}. */
const nameSet = z.record(z.string(), z.record(z.string(), z.never()));

export const restartPolicySchema = z.strictObject({
  Name: z.enum(['', 'no', 'always', 'unless-stopped', 'on-failure']).optional(),
  MaximumRetryCount: orNull(count),
});

export const resourcesShape = {
  Memory: orNull(count),
  MemoryReservation: orNull(count),
  MemorySwap: orNull(z.int().min(-1)),
  NanoCpus: orNull(count),
  CpuShares: orNull(count),
  CpuPeriod: orNull(count),
  CpuQuota: orNull(z.int()),
  PidsLimit: orNull(z.int().min(-1)),
};

const tmpfsMountSchema = z.strictObject({
  Type: z.literal('tmpfs', {
    error: (issue) => `only mounts of type tmpfs are supported yet, not ${String(issue.input)}`,
  }),
  Source: z.literal('').optional(),
  Target: z.string().startsWith('/', 'must be an absolute path'),
  ReadOnly: z.boolean().optional(),
  Consistency: z.enum(['', 'default', 'consistent', 'cached', 'delegated']).optional(),
  TmpfsOptions: orNull(
    z.strictObject({
      SizeBytes: orNull(count),
      Mode: orNull(count),
      Options: orNull(z.array(z.array(z.string()).min(1).max(2))),
    }),
  ),
});

export const hostConfigShape = {
  ...resourcesShape,
  NetworkMode: orNull(z.string()),
  RestartPolicy: orNull(restartPolicySchema),
  AutoRemove: orNull(z.boolean()),
  LogConfig: orNull(z.strictObject({ Type: orNull(z.string()), Config: orNull(textMap) })),
  ContainerIDFile: orNull(z.string()),
  ConsoleSize: orNull(z.tuple([count.max(65535), count.max(65535)])),
  Annotations: orNull(textMap),
  CapAdd: orNull(words),
  CapDrop: orNull(words),
  GroupAdd: orNull(z.array(z.string())),
  OomScoreAdj: orNull(z.int().min(-1000).max(1000)),
  Privileged: orNull(z.boolean()),
  ReadonlyRootfs: orNull(z.boolean()),
  SecurityOpt: orNull(z.array(z.string())),
  StorageOpt: orNull(textMap),
  Tmpfs: orNull(textMap),
  Mounts: orNull(z.array(tmpfsMountSchema)),
  ShmSize: orNull(count),
  Sysctls: orNull(textMap),
  Runtime: orNull(z.string()),
  Ulimits: orNull(
    z.array(z.strictObject({ Name: z.string().min(1), Soft: z.int().min(-1), Hard: z.int().min(-1) })),
  ),
  Init: orNull(z.boolean()),
};

export const configShape = {
  Hostname: orNull(z.string()),
  Domainname: orNull(z.string()),
  User: orNull(z.string()),
  AttachStdin: orNull(z.boolean()),
  AttachStdout: orNull(z.boolean()),
  AttachStderr: orNull(z.boolean()),
  ExposedPorts: orNull(nameSet),
  Tty: orNull(z.boolean()),
  OpenStdin: orNull(z.boolean()),
  StdinOnce: orNull(z.boolean()),
  Env: orNull(z.array(z.string())),
  Cmd: orNull(words),
  Image: z.string().min(1, 'no image was named'),
  WorkingDir: orNull(z.string()),
  Entrypoint: orNull(words),
  Labels: orNull(textMap),
  StopSignal: orNull(z.string()),
  StopTimeout: orNull(z.int()),
  Healthcheck: orNull(z.looseObject({ Test: orNull(z.array(z.string())) })),
};

export const hostConfigSchema = z.looseObject(hostConfigShape);
export const createSchema = z.looseObject({
  ...configShape,
  HostConfig: hostConfigSchema.nullish().transform((value) => value ?? hostConfigSchema.parse({})),
  NetworkingConfig: orNull(z.looseObject({ EndpointsConfig: orNull(z.record(z.string(), z.unknown())) })),
});
export type CreateBody = z.output<typeof createSchema>;
export type HostConfigBody = z.output<typeof hostConfigSchema>;
