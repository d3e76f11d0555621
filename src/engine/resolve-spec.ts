/** What the image says where the user said nothing: Docker's rules, for every API that makes containers. */
import type { ImageRunConfig } from './ports/images.ts';
import { EngineError } from '../errors/engine-error.ts';
import { inheritEnvironment } from './environment.ts';

/** What a user may say about what the image says too. Undefined, and '' for a text: the user said nothing. */
export interface RunRequest {
  /** `['']` takes the image's entrypoint away. */
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly env?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly workingDir?: string | undefined;
  readonly stopSignal?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly exposedPorts?: readonly string[] | undefined;
  readonly volumes?: readonly string[] | undefined;
}

/** The parts of a ContainerSpec that image and user decide together. */
export interface ResolvedRun {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly stopSignal: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
}

/** Throws `invalid_argument` when there is no command, and for a relative working directory. */
export function resolveSpec(request: RunRequest, image: ImageRunConfig): ResolvedRun {
  const { entrypoint, cmd } = resolveCommand(request, image);
  const workingDir = given(request.workingDir) ?? image.workingDir;
  if (workingDir !== '' && !workingDir.startsWith('/')) {
    throw new EngineError(
      'invalid_argument',
      `the working directory '${workingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  return {
    entrypoint,
    cmd,
    env: inheritEnvironment(request.env ?? [], image.env),
    user: given(request.user) ?? image.user,
    workingDir,
    stopSignal: given(request.stopSignal) ?? given(image.stopSignal) ?? 'SIGTERM',
    labels: { ...image.labels, ...request.labels },
    exposedPorts: [...new Set([...(request.exposedPorts ?? []), ...image.exposedPorts])],
    volumes: [...new Set([...(request.volumes ?? []), ...image.volumes])],
  };
}

/** An entrypoint of the user's own drops the image's command: it was written for another program. */
function resolveCommand(
  request: RunRequest,
  image: ImageRunConfig,
): { entrypoint: readonly string[]; cmd: readonly string[] } {
  const ownEntrypoint = request.entrypoint !== undefined && request.entrypoint.length > 0;
  const asked = request.cmd ?? [];
  const cmd = asked.length > 0 || ownEntrypoint ? asked : image.cmd;
  const entrypoint = request.entrypoint ?? image.entrypoint;
  const resolved = { entrypoint: entrypoint.length === 1 && entrypoint[0] === '' ? [] : entrypoint, cmd };
  if (resolved.entrypoint.length === 0 && resolved.cmd.length === 0)
    throw new EngineError(
      'invalid_argument',
      'no command specified: neither the image nor the request names one',
    );
  return resolved;
}

function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
