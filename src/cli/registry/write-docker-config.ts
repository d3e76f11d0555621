/** Changes docker's configuration file as docker does: tab-indented JSON, mode 0600, replaced as a whole. */
import { mkdirSync, realpathSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { dockerConfigPath } from './docker-config.ts';
import type { DockerConfig } from './docker-config.ts';

export function writeDockerConfig(
  config: DockerConfig,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const path = followLink(dockerConfigPath(env));
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, `${JSON.stringify(config, undefined, '\t')}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch (cleanup) {
      if (!(cleanup instanceof Error && 'code' in cleanup && cleanup.code === 'ENOENT')) throw cleanup;
    }
    throw error;
  }
}

/** A linked file stays a link. */
function followLink(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // not there yet
  }
}
