/** What stands beside a template's files on disk, and the check that they are still what was saved. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../system/errno.ts';
import type { MachineShape, VmmCapabilities } from '../../engine/ports/vmm.ts';

export const manifestName = 'manifest.json';
const manifestVersion = 1;
/** The device state is hashed; of the memory, sparse and gigabytes long, size and time of last change have to do. */
const hashedUpToBytes = 4 << 20;

/** All that makes two machines' templates the same or different. */
export interface TemplateIdentity {
  readonly kernelHash: string;
  readonly vmm: string;
  readonly vmmVersion: string;
  /** Of the driver's own making of templates. */
  readonly templateGeneration: string;
  readonly accelerator: string;
  readonly vcpus: number;
  readonly memoryBytes: number;
}

interface TemplateFile {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly sha256?: string;
}

export interface TemplateManifest {
  readonly version: number;
  readonly identity: TemplateIdentity;
  readonly kernelKind: string;
  readonly files: readonly TemplateFile[];
}

export function templateIdentity(capabilities: VmmCapabilities, shape: MachineShape): TemplateIdentity {
  return {
    kernelHash: shape.kernel.hash,
    vmm: capabilities.name,
    vmmVersion: capabilities.version,
    templateGeneration: capabilities.templateGeneration ?? '',
    accelerator: capabilities.accelerator,
    vcpus: shape.vcpus,
    memoryBytes: shape.memoryBytes,
  };
}

/** Names a template's directory. */
export function templateKey(identity: TemplateIdentity): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32);
}

export async function writeManifest(
  directory: string,
  identity: TemplateIdentity,
  kernelKind: string,
): Promise<void> {
  const files: TemplateFile[] = [];
  for (const name of (await readdir(directory)).sort()) files.push(await describe(directory, name));
  const manifest: TemplateManifest = { version: manifestVersion, identity, kernelKind, files };
  await writeFile(join(directory, manifestName), `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
}

/** The manifest of a directory when it has a valid one; whether the files fit it is `verifyFiles`' question. */
export async function readManifest(directory: string): Promise<TemplateManifest | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, manifestName), 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isManifest(value) ? value : undefined;
}

/** Whether every file that was saved is there, unchanged, and none besides. */
export async function verifyFiles(directory: string, manifest: TemplateManifest): Promise<boolean> {
  const names = (await readdir(directory)).filter((name) => name !== manifestName).sort();
  if (JSON.stringify(names) !== JSON.stringify(manifest.files.map((file) => file.name))) return false;
  for (const expected of manifest.files) {
    const found = await describe(directory, expected.name);
    if (JSON.stringify(found) !== JSON.stringify(expected)) return false;
  }
  return true;
}

async function describe(directory: string, name: string): Promise<TemplateFile> {
  const path = join(directory, name);
  const { size, mtimeMs } = await stat(path);
  const file = { name, bytes: size, modifiedMs: mtimeMs };
  if (size > hashedUpToBytes) return file;
  return {
    ...file,
    sha256: createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  };
}

function isManifest(value: unknown): value is TemplateManifest {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    value.version === manifestVersion &&
    'identity' in value &&
    typeof value.identity === 'object' &&
    'kernelKind' in value &&
    'files' in value &&
    Array.isArray(value.files)
  );
}
