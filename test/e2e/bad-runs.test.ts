/** Commands and containers that cannot run: Docker's exit codes, errors that name the thing, nothing left behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import { DvmCommand } from './dvm-command.ts';
import { assertNoMoreThan, footprint } from './host-footprint.ts';
import { loadBusybox } from './test-images.ts';

void test('bad runs', { timeout: 300_000 }, async (t) => {
  await using daemon = await startDaemon();
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);
  await dvm.run(['run', '--rm', 'busybox', 'true']);
  const before = await footprint(daemon);

  async function refused(args: readonly string[], code: number, ...said: readonly RegExp[]): Promise<void> {
    const result = await dvm.try(args);
    const shown = `dvm ${args.join(' ')}: ${result.code}\n${result.stdout}\n${result.stderr}`;
    assert.equal(result.code, code, shown);
    for (const pattern of said) assert.match(result.stderr, pattern, shown);
    assert.equal(await dvm.run(['ps', '-aq']), '', 'containers left behind');
    await assertNoMoreThan(before, daemon);
  }

  await t.test('a command that is not in the image: 127', () =>
    refused(['run', '--rm', 'busybox', 'no-such-command'], 127, /no-such-command/),
  );
  await t.test('a file that is not executable: 126', () =>
    refused(['run', '--rm', 'busybox', '/etc/passwd'], 126, /\/etc\/passwd/),
  );
  await t.test('a directory as the command: 126', () =>
    refused(['run', '--rm', 'busybox', '/etc'], 126, /\/etc/),
  );
  await t.test('a user that is not in the image: 125', () =>
    refused(['run', '--rm', '-u', 'nobody-here', 'busybox', 'true'], 125, /nobody-here/),
  );
  await t.test('a flag that does not exist: 125', () =>
    refused(['run', '--no-such-flag', 'busybox', 'true'], 125, /no-such-flag/),
  );
  await t.test('a flag that is not supported yet is refused by name: 125', async () => {
    await refused(['run', '--rm', '--network', 'host', 'busybox', 'true'], 125, /network/);
    await refused(['run', '--rm', '-v', '/etc:/host', 'busybox', 'true'], 125, /volume|-v\b|bind/i);
    await refused(['run', '--rm', '--device', '/dev/sda', 'busybox', 'true'], 125, /device/);
  });
  await t.test('a value that is none: 125', async () => {
    await refused(['run', '--rm', '--memory', 'plenty', 'busybox', 'true'], 125, /plenty/);
    await refused(['run', '--rm', '--memory', '1k', 'busybox', 'true'], 125, /memory/i);
    await refused(['run', '--rm', '--cpus', '-1', 'busybox', 'true'], 125, /cpus/i);
    await refused(['run', '--rm', '--name', 'not a name', 'busybox', 'true'], 125, /not a name/);
  });

  await t.test('a process by a signal: 128 and its number', async () => {
    assert.equal((await dvm.try(['run', '--rm', '--init', 'busybox', 'sh', '-c', 'kill -9 $$'])).code, 137);
    assert.equal(
      (await dvm.try(['run', '--rm', '--init', 'busybox', 'sh', '-c', 'kill -TERM $$'])).code,
      143,
    );
  });

  await t.test('too little memory for what runs: killed, 137, and said so', async () => {
    const args = [
      'run',
      '--name',
      'hungry',
      '--memory',
      '32m',
      'busybox',
      'sh',
      '-c',
      'tail -c 400m /dev/zero | wc -c; true',
    ];
    await dvm.try([...args.slice(0, -1), 'exec tail -c 400m /dev/zero']);
    assert.equal(
      await dvm.run(['inspect', '--format', '{{.State.ExitCode}} {{.State.OOMKilled}}', 'hungry']),
      '137 true\n',
    );
    await dvm.run(['rm', 'hungry']);
  });

  await t.test('a full writable layer: the write fails, the pod and its host go on', async () => {
    await dvm.run(['run', '-d', '--name', 'full', '--storage-opt', 'size=32m', 'busybox', 'sleep', '100000']);
    const { code, stderr } = await dvm.try([
      'exec',
      'full',
      'dd',
      'if=/dev/zero',
      'of=/big',
      'bs=1M',
      'count=100',
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /No space left on device/);
    assert.equal(
      await dvm.run(['exec', 'full', 'sh', '-c', 'rm /big && echo freed > /small && cat /small']),
      'freed\n',
    );
    await dvm.run(['rm', '-f', 'full']);
  });

  await t.test('names: taken, unknown, ambiguous; a running container is not removed', async () => {
    const id = (await dvm.run(['run', '-d', '--name', 'taken', 'busybox', 'sleep', '100000'])).trim();
    const again = await dvm.try(['run', '--name', 'taken', 'busybox', 'true']);
    assert.equal(again.code, 125);
    assert.match(again.stderr, /taken/);
    const removed = await dvm.try(['rm', 'taken']);
    assert.equal(removed.code, 1);
    assert.match(removed.stderr, /running/);
    assert.equal((await dvm.try(['exec', 'nobody', 'true'])).code, 1);
    assert.equal((await dvm.try(['exec', 'taken', 'no-such-command'])).code, 127);
    assert.equal((await dvm.try(['exec', 'taken', '/etc/passwd'])).code, 126);
    assert.equal((await dvm.try(['exec', 'taken', 'sh', '-c', 'exit 42'])).code, 42);
    await dvm.run(['rm', '-f', id]);
  });

  await assertNoMoreThan(before, daemon);
});
