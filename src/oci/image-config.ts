/** The image config: what an image is and how its container starts. Docker's extra fields are kept, unknown ones tolerated. */
import { z } from 'zod';
import { EngineError } from '../errors/engine-error.ts';
import { parseDigest } from './digest.ts';
import { checkShape, parseJson } from './manifest.ts';

export const configMaxBytes = 8 * 1024 * 1024;
const listMax = 4096;

const text = z.string().max(1024 * 1024);
const texts = z.array(text).max(listMax);
const nameSet = z.record(z.string(), z.unknown());

const runConfigSchema = z.object({
  User: text.nullish(),
  Env: texts.nullish(),
  Entrypoint: texts.nullish(),
  Cmd: texts.nullish(),
  WorkingDir: text.nullish(),
  StopSignal: text.nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
  ExposedPorts: nameSet.nullish(),
  Volumes: nameSet.nullish(),
  Shell: texts.nullish(),
  Healthcheck: z.record(z.string(), z.unknown()).nullish(),
});
const historySchema = z.object({
  created: text.nullish(),
  created_by: text.nullish(),
  comment: text.nullish(),
  empty_layer: z.boolean().nullish(),
});
const imageConfigSchema = z.object({
  architecture: z.string().max(64),
  os: z.string().max(64),
  variant: z.string().max(64).nullish(),
  created: z.string().max(64).nullish(),
  author: text.nullish(),
  comment: text.nullish(),
  config: runConfigSchema.nullish(),
  rootfs: z.object({
    type: z.literal('layers'),
    diff_ids: z.array(z.string().max(300).transform(parseDigest)).max(512),
  }),
  history: z.array(historySchema).max(listMax).nullish(),
});

export type ImageConfig = z.infer<typeof imageConfigSchema>;
export interface ParsedImageConfig {
  readonly config: ImageConfig;
  readonly raw: Readonly<Record<string, unknown>>;
}

export function parseImageConfig(bytes: Uint8Array, what: string): ParsedImageConfig {
  const raw = parseJson(bytes, configMaxBytes, `config of ${what}`);
  const config = checkShape(imageConfigSchema, raw, `config of ${what}`);
  if (config.rootfs.diff_ids.length === 0) {
    throw new EngineError('invalid_argument', `${what} has no layers, so there is nothing to run`);
  }
  return { config, raw: checkShape(z.record(z.string(), z.unknown()), raw, `config of ${what}`) };
}

/** How a container of the image starts, with every absent field as its default. */
export interface RunConfig {
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly stopSignal?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly shell?: readonly string[];
  readonly healthcheck?: Readonly<Record<string, unknown>>;
}

export function runConfigOf(config: ImageConfig): RunConfig {
  const run = config.config ?? {};
  return {
    user: run.User ?? '',
    env: run.Env ?? [],
    entrypoint: run.Entrypoint ?? [],
    cmd: run.Cmd ?? [],
    workingDir: run.WorkingDir ?? '',
    ...(run.StopSignal !== null &&
      run.StopSignal !== undefined &&
      run.StopSignal !== '' && { stopSignal: run.StopSignal }),
    labels: run.Labels ?? {},
    exposedPorts: Object.keys(run.ExposedPorts ?? {}),
    volumes: Object.keys(run.Volumes ?? {}),
    ...(run.Shell !== null && run.Shell !== undefined && { shell: run.Shell }),
    ...(run.Healthcheck !== null && run.Healthcheck !== undefined && { healthcheck: run.Healthcheck }),
  };
}
