/**
 * Templates on disk: one directory each, named by all that makes it what it is. Built once, kept across restarts, used only
 * when the manifest fits the files.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineShape, MachineTemplate, VmmCapabilities } from '../../engine/ports/vmm.ts';
import { moveIntoPlace } from '../../system/atomic-file.ts';
import { orAborted } from '../../system/deadline.ts';
import { isErrno } from '../../system/errno.ts';
import {
  manifestName,
  readManifest,
  templateIdentity,
  templateKey,
  verifyFiles,
  writeManifest,
} from './template-manifest.ts';
import type { TemplateManifest } from './template-manifest.ts';

/** Boots a machine of the shape and saves it in the (existing, empty) directory. */
export type BuildTemplate = (shape: MachineShape, directory: string) => Promise<MachineTemplate>;

export interface TemplatesOptions {
  readonly directory: string;
  readonly capabilities: VmmCapabilities;
  readonly build: BuildTemplate;
}

/** Templates of the current kernel that are kept beside those in use: sizes people asked for once cost disk for ever. */
const mostKept = 6;
const keepUnusedMs = 7 * 24 * 3600 * 1000;
const keyPattern = /^[0-9a-f]{32}$/;

export class Templates {
  readonly #options: TemplatesOptions;
  /** Found or being built; one that failed is gone from here. */
  readonly #ready = new Map<string, Promise<MachineTemplate>>();
  /** Names of directories that are being looked at or filled. */
  readonly #pending = new Set<string>();
  readonly #users = new Map<string, number>();

  constructor(options: TemplatesOptions) {
    this.#options = options;
  }

  keyOf(shape: MachineShape): string {
    return templateKey(templateIdentity(this.#options.capabilities, shape));
  }

  /** Builds it when there is none. Who gives up waiting does not stop the building: others may want it. */
  async get(shape: MachineShape, signal: AbortSignal): Promise<MachineTemplate> {
    const key = this.keyOf(shape);
    let template = this.#ready.get(key);
    if (template === undefined) {
      template = this.#findOrBuild(key, shape);
      this.#ready.set(key, template);
      this.#pending.add(key);
      template.then(
        () => this.#pending.delete(key),
        () => {
          this.#pending.delete(key);
          this.#ready.delete(key); // the next one who asks tries again
        },
      );
    }
    return await orAborted(template, signal);
  }

  /** A template that turned out to be unusable: the next `get` builds a new one. What was cloned from it runs on. */
  async discard(shape: MachineShape): Promise<void> {
    const key = this.keyOf(shape);
    if (!this.#pending.has(key)) await this.#remove(key);
  }

  /** While this is held, `prune` leaves it alone. */
  use(key: string | undefined): Disposable {
    if (key !== undefined) this.#users.set(key, (this.#users.get(key) ?? 0) + 1);
    let used = key !== undefined;
    return {
      [Symbol.dispose]: () => {
        if (!used || key === undefined) return;
        used = false;
        const users = (this.#users.get(key) ?? 1) - 1;
        if (users === 0) this.#users.delete(key);
        else this.#users.set(key, users);
      },
    };
  }

  /** How many there are. */
  count(): number {
    try {
      return readdirSync(this.#options.directory).filter((name) => keyPattern.test(name)).length;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return 0;
      throw error;
    }
  }

  /**
   * Removes what will not be used again: half-built ones, those of another kernel than the current one (a user's own
   * kernel: after a week), and the least recently used beyond a few. Never one that is in use.
   */
  async prune(currentKernelHash: string): Promise<void> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const kept: { key: string; usedMs: number }[] = [];
    for (const name of await readdir(directory)) {
      if (this.#isBusy(name)) continue;
      const manifest = keyPattern.test(name) ? await readManifest(join(directory, name)) : undefined;
      const usedMs = manifest === undefined ? 0 : (await stat(join(directory, name, manifestName))).mtimeMs;
      if (manifest !== undefined && isWorthKeeping(manifest, currentKernelHash, usedMs))
        kept.push({ key: name, usedMs });
      else if (!this.#isBusy(name)) await this.#remove(name);
    }
    kept.sort((a, b) => b.usedMs - a.usedMs);
    for (const { key } of kept.slice(mostKept)) if (!this.#isBusy(key)) await this.#remove(key);
  }

  #isBusy(name: string): boolean {
    return this.#users.has(name) || this.#pending.has(name);
  }

  /** Under another name first: at no moment is there half a template. */
  async #remove(name: string): Promise<void> {
    this.#ready.delete(name);
    const doomed = this.#path(`${randomBytes(8).toString('hex')}.gone`);
    try {
      await rename(this.#path(name), doomed);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    await rm(doomed, { recursive: true, force: true });
  }

  async #findOrBuild(key: string, shape: MachineShape): Promise<MachineTemplate> {
    const path = this.#path(key);
    const manifest = await readManifest(path);
    if (manifest !== undefined && (await verifyFiles(path, manifest))) {
      const now = new Date();
      await utimes(join(path, manifestName), now, now);
      return { directory: path, shape };
    }
    await rm(path, { recursive: true, force: true });
    return await this.#build(key, shape);
  }

  async #build(key: string, shape: MachineShape): Promise<MachineTemplate> {
    const name = `${key}.${randomBytes(4).toString('hex')}.part`;
    const part = join(this.#options.directory, name);
    this.#pending.add(name);
    try {
      await mkdir(part, { recursive: true, mode: 0o755 });
      await this.#options.build(shape, part);
      await writeManifest(part, templateIdentity(this.#options.capabilities, shape), shape.kernel.kind);
      await moveIntoPlace(part, this.#path(key));
    } catch (error) {
      await rm(part, { recursive: true, force: true });
      throw error;
    } finally {
      this.#pending.delete(name);
    }
    return { directory: this.#path(key), shape };
  }

  #path(key: string): string {
    return join(this.#options.directory, key);
  }
}

function isWorthKeeping(manifest: TemplateManifest, currentKernelHash: string, usedMs: number): boolean {
  if (manifest.identity.kernelHash === currentKernelHash) return true;
  return manifest.kernelKind === 'custom' && Date.now() - usedMs < keepUnusedMs;
}
