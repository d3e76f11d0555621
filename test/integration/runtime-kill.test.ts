/** kill -9 of the daemon while a container writes: its successors get every byte, once, and the exit code. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { testVmm } from './runtime-vmm.ts';

const kills = 8;

async function daemon(directory: string, what: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'runtime-kill-child.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, directory, what], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  assert.equal(child.exitCode, null, 'it runs');
  return child;
}

/** Until some more of the output was recorded, or the container has ended. */
async function untilRecorded(path: string, bytes: number, child: ChildProcess): Promise<void> {
  while (statSync(path).size < bytes && child.exitCode === null) await new Promise(setImmediate);
}

test('output survives the daemon being killed again and again', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-kill-'));
  t.after(async () => {
    const vmm = await testVmm(directory);
    for (const id of await vmm.listStrays(new Set())) await vmm.removeStray(id);
    await rm(directory, { recursive: true, force: true });
  });
  const output = join(directory, 'output');
  let child = await daemon(directory, 'start');
  for (let kill = 0; kill < kills; kill++) {
    const size = statSync(output).size;
    await untilRecorded(output, size + randomInt(1, 300_000), child);
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    child = await daemon(directory, 'resume');
  }
  if (child.exitCode === null) await once(child, 'exit');
  const expected = Array.from({ length: 500_000 }, (_, i) => `${i + 1}\n`).join('');
  const found = readFileSync(output, 'latin1');
  assert.equal(found.length, expected.length);
  assert.ok(found === expected);
  const exit = JSON.parse(readFileSync(join(directory, 'exit'), 'utf8')) as { exitCode: number };
  assert.equal(exit.exitCode, 9);
});
