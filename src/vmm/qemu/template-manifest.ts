/**
 * A template's files: the guest's memory (sparse, mapped by every clone), the devices' state, and a manifest that is
 * written last: without it, or with one of another kind of machine, nothing is cloned.
 */
import { createHash } from 'node:crypto';
import { chmod, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineShape } from '../../engine/ports/vmm.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { syncDirectory, writeFileAtomically } from '../../system/atomic-file.ts';
import { isErrno } from '../../system/errno.ts';
import type { DriverContext } from './driver-context.ts';
import { layoutVersion } from './machine-layout.ts';
import { asRecord } from './qmp-client.ts';

export interface TemplateFiles {
  readonly memory: string;
  readonly state: string;
  readonly manifest: string;
}

export function templateFiles(directory: string): TemplateFiles {
  return {
    memory: join(directory, 'memory'),
    state: join(directory, 'state'),
    manifest: join(directory, 'qemu.json'),
  };
}

const manifestVersion = 1;

interface TemplateManifest {
  readonly version: number;
  /** Everything a clone has to have in common with it. */
  readonly identity: Readonly<Record<string, string | number>>;
  readonly memoryBytes: number;
  readonly stateBytes: number;
  readonly stateSha256: string;
}

/** Makes a saved template's files read-only and safe on the disk, and declares it complete. */
export async function completeTemplate(
  context: DriverContext,
  shape: MachineShape,
  directory: string,
): Promise<void> {
  const files = templateFiles(directory);
  for (const path of [files.memory, files.state]) {
    await using file = await open(path, 'r');
    await file.sync();
    await chmod(path, 0o444);
  }
  const manifest: TemplateManifest = {
    version: manifestVersion,
    identity: identityOf(context, shape),
    ...(await measure(files)),
  };
  await writeFileAtomically(files.manifest, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o444 });
  await syncDirectory(directory);
}

/** Throws `failed_precondition` when the template cannot be cloned here: unfinished, changed, or of another machine. */
export async function checkTemplate(
  context: DriverContext,
  shape: MachineShape,
  directory: string,
): Promise<void> {
  const files = templateFiles(directory);
  const manifest = asRecord(await readJson(files.manifest));
  if (manifest === undefined) throw unusable(directory, 'it is not complete');
  if (JSON.stringify(manifest['identity']) !== JSON.stringify(identityOf(context, shape))) {
    throw unusable(directory, 'it was made for another QEMU, kernel, processor or machine shape');
  }
  const found = await measure(files);
  for (const [name, value] of Object.entries(found)) {
    if (manifest[name] !== value) throw unusable(directory, `its files have changed (${name})`);
  }
}

/** What templates depend on beside shape and version, for `VmmCapabilities.templateGeneration`. */
export function templateGeneration(context: Pick<DriverContext, 'tscKhz' | 'accelerator'>): string {
  // Measured anew after each boot of the host, a few ppm apart: whole MHz tell one host from another.
  const clock = context.tscKhz === undefined ? 'host' : `${Math.round(context.tscKhz / 1000)}MHz`;
  return `${layoutVersion}-${clock}`;
}

function identityOf(context: DriverContext, shape: MachineShape): TemplateManifest['identity'] {
  return {
    generation: templateGeneration(context),
    qemuVersion: context.version,
    accelerator: context.accelerator,
    kernelKind: shape.kernel.kind,
    kernelHash: shape.kernel.hash,
    vcpus: shape.vcpus,
    memoryBytes: shape.memoryBytes,
  };
}

async function measure(files: TemplateFiles): Promise<Omit<TemplateManifest, 'version' | 'identity'>> {
  try {
    const state = await readFile(files.state);
    return {
      memoryBytes: (await stat(files.memory)).size,
      stateBytes: state.length,
      stateSha256: createHash('sha256').update(state).digest('hex'),
    };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw unusable(files.manifest, 'a file is missing');
    throw error;
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function unusable(what: string, why: string): EngineError {
  return new EngineError(
    'failed_precondition',
    `template ${what} cannot be used: ${why}; remove it and it is built again`,
  );
}
