/** kill -9 of the daemon while containers run and write: no pod, no exit code and no line is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon } from './daemon-fixture.ts';
import { DvmCommand } from './dvm-command.ts';
import { loadBusybox } from './test-images.ts';

void test('the daemon is killed with SIGKILL and started again', { timeout: 300_000 }, async (t) => {
  await using daemon = await startDaemon();
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);

  const lines = 3000;
  const start = (name: string, script: string) =>
    dvm.run(['run', '-d', '--name', name, 'busybox', 'sh', '-c', script]);
  // Writes across the kill; starts to write more than any buffer holds just before it; ends while no daemon runs.
  await start(
    'steady',
    `i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i+1)); usleep 2000; done; exit 9`,
  );
  await start('hasty', 'until [ -e /go ]; do usleep 1000; done; seq 1 300000; exit 11');
  await start('brief', 'echo last words; until [ -e /go ]; do usleep 1000; done; usleep 300000; exit 5');
  await start('idle', "trap 'exit 0' TERM; while :; do usleep 100000; done");
  await dvm.run(['exec', 'hasty', 'touch', '/go']);
  await dvm.run(['exec', 'brief', 'touch', '/go']);
  const pids = await pidsOf(dvm);

  await daemon.kill();
  // Time that passes without a daemon, in which `brief` ends. Nobody is there to see it.
  await delay(1500);
  await daemon.start();

  await t.test('the same machines still run', async () => {
    const now = await pidsOf(dvm);
    assert.equal(now.get('steady'), pids.get('steady'));
    assert.equal(now.get('idle'), pids.get('idle'));
  });
  await t.test('exec works', async () => {
    assert.equal(await dvm.run(['exec', 'idle', 'echo', 'here']), 'here\n');
  });
  await t.test('wait gets the exit codes, of the one that ended meanwhile too', async () => {
    assert.equal(await dvm.run(['wait', 'brief', 'hasty', 'steady']), '5\n11\n9\n');
  });
  await t.test('logs has every line once, in order', async () => {
    const steady = Array.from({ length: lines }, (_, i) => `line ${i}\n`).join('');
    assert.equal(await dvm.run(['logs', 'steady']), steady);
    const hasty = Array.from({ length: 300_000 }, (_, i) => `${i + 1}\n`).join('');
    assert.ok((await dvm.run(['logs', 'hasty'])) === hasty, 'the output of seq 1 300000');
    assert.equal(await dvm.run(['logs', 'brief']), 'last words\n');
  });
  await t.test('a container can be stopped, started again and removed', async () => {
    await dvm.run(['stop', 'idle']);
    assert.equal(await dvm.run(['wait', 'idle']), '0\n');
    await dvm.run(['start', 'idle']);
    assert.equal(await dvm.run(['exec', 'idle', 'echo', 'again']), 'again\n');
    await dvm.run(['rm', '-f', 'idle', 'steady', 'brief', 'hasty']);
    assert.equal(await dvm.run(['ps', '-aq']), '');
  });
});

/** Host pids of the VMMs by container name. */
async function pidsOf(dvm: DvmCommand): Promise<ReadonlyMap<string, string>> {
  const names = ['steady', 'idle'];
  const pids = (await dvm.run(['inspect', '--format', '{{.State.Pid}}', ...names])).trim().split('\n');
  return new Map(names.map((name, index) => [name, pids[index] ?? '']));
}
