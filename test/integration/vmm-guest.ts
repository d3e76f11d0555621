/** A guest for the driver's tests: the kernel that is installed, and `vmm-guest.c` as its only process. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { createInterface } from 'node:readline';
import type { GuestKernel } from '../../src/engine/ports/vmm.ts';
import { moveIntoPlace, temporaryNameFor, writeFileAtomically } from '../../src/system/atomic-file.ts';
import { runCommand } from '../../src/system/run-command.ts';

const source = join(import.meta.dirname, 'vmm-guest.c');
const cacheDirectory = process.env['DVM_TEST_CACHE'] ?? join(tmpdir(), 'dvm-test-guest');

/** DVM_KERNEL, or the newest trimmed kernel in the cache; undefined when there is none yet. */
export async function findKernel(): Promise<GuestKernel | undefined> {
  const named = process.env['DVM_KERNEL'];
  if (named !== undefined)
    return { path: named, kind: 'trimmed', release: 'named', hash: await hashOf(named) };
  const cache = join(process.env['DVM_CACHE'] ?? '/var/cache/dvm', 'kernel');
  if (!existsSync(cache)) return undefined;
  const kernels: { path: string; builtAt: number }[] = [];
  for (const name of await readdir(cache)) {
    const path = join(cache, name, 'vmlinux');
    if (/^[0-9a-f]{16}$/.test(name) && existsSync(path))
      kernels.push({ path, builtAt: (await stat(path)).mtimeMs });
  }
  const newest = kernels.sort((a, b) => b.builtAt - a.builtAt)[0];
  if (newest === undefined) return undefined;
  return { path: newest.path, kind: 'trimmed', release: 'cached', hash: await hashOf(newest.path) };
}

/** The distribution's kernel, as set-up has fetched it; undefined when it has not. */
export async function findStockKernel(): Promise<GuestKernel | undefined> {
  const cache = join(process.env['DVM_CACHE'] ?? '/var/cache/dvm', 'stock-kernel');
  const names = existsSync(cache) ? await readdir(cache) : [];
  const release = names.filter((name) => existsSync(join(cache, name, 'vmlinuz'))).at(-1);
  if (release === undefined) return undefined;
  const path = join(cache, release, 'vmlinuz');
  return { path, kind: 'stock', release, hash: await hashOf(path) };
}

/** Builds the test guest's initramfs once; it stays in the cache until the source changes. */
export async function buildInitramfs(): Promise<string> {
  const hash = (await hashOf(source)).slice(0, 16);
  const path = join(cacheDirectory, `initramfs-${hash}.cpio`);
  if (existsSync(path)) return path;
  await mkdir(cacheDirectory, { recursive: true });
  const program = join(cacheDirectory, `init-${hash}`);
  const temporary = temporaryNameFor(program);
  await runCommand('musl-gcc', ['-static', '-Os', '-Wall', '-Wextra', '-Werror', '-o', temporary, source]);
  await moveIntoPlace(temporary, program);
  const directories = ['proc', 'sys', 'dev', 'modules'].map((name) =>
    cpioEntry(name, 0o040755, Buffer.alloc(0)),
  );
  const console = cpioEntry('dev/console', 0o020600, Buffer.alloc(0), { major: 5, minor: 1 });
  const init = cpioEntry('init', 0o100755, await readFile(program));
  await writeFileAtomically(
    path,
    Buffer.concat([...directories, console, init, cpioEntry('TRAILER!!!', 0, Buffer.alloc(0))]),
  );
  return path;
}

/** One entry of a "newc" archive: see the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. */
function cpioEntry(name: string, mode: number, content: Buffer, device = { major: 0, minor: 0 }): Buffer {
  const fields = [0, mode, 0, 0, 1, 0, content.length, 0, 0, device.major, device.minor, name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(header)), padded(content)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

async function hashOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** The other end of `vmm-guest.c`. */
export class GuestShell {
  readonly #channel: Duplex;
  readonly #lines: AsyncIterator<string, undefined>;

  constructor(channel: Duplex) {
    this.#channel = channel;
    this.#lines = createInterface({ input: channel })[Symbol.asyncIterator]();
  }

  /** What the guest says when it is there, or as the rest of an answer: up to the line with a dot. */
  async answer(): Promise<string> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.#lines.next();
      if (line.done === true) throw new Error(`the guest channel ended after: ${lines.join(' ')}`);
      if (line.value === '.') return lines.join('\n').trim();
      lines.push(line.value);
    }
  }

  async ask(line: string): Promise<string> {
    this.tell(line);
    return await this.answer();
  }

  tell(line: string): void {
    this.#channel.write(`${line}\n`);
  }

  /** One connection at a time: the next one is served when this one has ended. */
  hangUp(): void {
    this.#channel.destroy();
  }
}
