/** Which machine is which sandbox's: a pool's machine has its name before its sandbox. Small files, so that it survives the daemon. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../errors/engine-error.ts';
import { isErrno } from '../../system/errno.ts';

const idPattern = /^[0-9a-f]{64}$/;

export class SandboxIndex {
  readonly #directory: string;

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'sandboxes');
  }

  async add(sandbox: string, machine: string): Promise<void> {
    if (!idPattern.test(sandbox))
      throw new EngineError('invalid_argument', `"${sandbox}" is not a sandbox id`);
    const path = join(this.#directory, sandbox);
    try {
      await writeFile(path, machine);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await writeFile(path, machine);
    }
  }

  async remove(sandbox: string): Promise<void> {
    await rm(join(this.#directory, sandbox), { force: true });
  }

  /** Sandbox → machine. */
  async read(): Promise<ReadonlyMap<string, string>> {
    const machines = new Map<string, string>();
    let names: string[];
    try {
      names = await readdir(this.#directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return machines;
      throw error;
    }
    for (const name of names) machines.set(name, await readFile(join(this.#directory, name), 'utf8'));
    return machines;
  }
}
