/** A hundred runs, ten at a time, some killed half-way: afterwards the host has nothing more than before. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import { DvmCommand } from './dvm-command.ts';
import { assertNoMoreThan, footprint } from './host-footprint.ts';
import { loadBusybox } from './test-images.ts';

const runs = 100;
const atOnce = 10;

void test('a hundred runs leave nothing behind', { timeout: 600_000 }, async () => {
  await using daemon = await startDaemon();
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);

  // Whatever is made once (template, pool, connections) is made by the first runs.
  await Promise.all(Array.from({ length: atOnce }, () => dvm.run(['run', '--rm', 'busybox', 'true'])));
  const before = await footprint(daemon);

  const numbers = Array.from({ length: runs }, (_, number) => number).values();
  const workers = Array.from({ length: atOnce }, async () => {
    for (const number of numbers) await oneRun(dvm, number);
  });
  await Promise.all(workers);

  assert.equal(await dvm.run(['ps', '-aq']), '');
  await assertNoMoreThan(before, daemon);
});

/** Every fifth is killed half-way, each time in another manner. */
async function oneRun(dvm: DvmCommand, number: number): Promise<void> {
  if (number % 5 !== 0) {
    const { code, stdout } = await dvm.try([
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      `echo ${number}; exit ${number}`,
    ]);
    assert.deepEqual({ code, stdout }, { code: number, stdout: `${number}\n` });
    return;
  }
  const name = `half-way-${number}`;
  const child = dvm.spawn(['run', '--rm', '--name', name, 'busybox', 'sh', '-c', 'echo up; sleep 600']);
  child.stderr.resume();
  const exited = once(child, 'exit');
  await once(createInterface({ input: child.stdout }), 'line');
  switch (number % 20) {
    case 0: // the container
      await dvm.run(['kill', name]);
      break;
    case 5: // the client, as by closing its window
      child.kill('SIGKILL');
      await dvm.run(['rm', '-f', name]);
      break;
    case 10: // the VMM
      process.kill(Number(await dvm.run(['inspect', '--format', '{{.State.Pid}}', name])), 'SIGKILL');
      break;
    default: // everything
      await dvm.run(['rm', '-f', name]);
  }
  await exited;
}
