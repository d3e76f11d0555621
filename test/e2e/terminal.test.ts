/** `run -it`, `exec -it` and `attach` on a real terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import { DvmCommand, dvmPath } from './dvm-command.ts';
import { onTerminal } from './pseudo-terminal.ts';
import { loadBusybox } from './test-images.ts';

const size = { rows: 31, columns: 97 };

void test('terminals', { timeout: 300_000 }, async (t) => {
  await using daemon = await startDaemon();
  const dvm = new DvmCommand(daemon.socket);
  await loadBusybox(dvm);
  const command = (...args: string[]) => [dvmPath, '--socket', daemon.socket, ...args];

  await t.test('the size at the start, every change of it, and the exit code', async () => {
    const script =
      "trap 'stty size' WINCH; trap 'exit 3' TERM; stty size; echo ready; while :; do sleep 0.1; done";
    await using terminal = await onTerminal(
      command('run', '-it', '--rm', '--name', 'sized', 'busybox', 'sh', '-c', script),
      size,
    );
    await terminal.expect(/31 97\r\n/);
    await terminal.expect(/ready/);
    await terminal.resize(40, 120);
    await terminal.expect(/40 120\r\n/);
    await terminal.resize(20, 60);
    await terminal.expect(/20 60\r\n/);
    await dvm.run(['kill', '-s', 'TERM', 'sized']);
    assert.equal(await terminal.exitCode, 3);
  });

  await t.test('a shell: what is typed is run, ^C interrupts, ^D ends it', async () => {
    await using terminal = await onTerminal(command('run', '-it', '--rm', 'busybox', 'sh'), size);
    await terminal.expect(/# /);
    terminal.type('tty; echo $((6*7))\n');
    await terminal.expect(/\/dev\/pts\/0\r\n42\r\n/);
    terminal.type('sh -c "echo asleep; exec sleep 1000"\n');
    await terminal.expect(/\nasleep\r\n/);
    terminal.type('\x03');
    await terminal.expect(/# /);
    terminal.type('exit 5\n');
    assert.equal(await terminal.exitCode, 5);
  });

  await t.test(
    'the detach keys leave the container running; attach comes back; exec -it has a terminal too',
    async () => {
      const script = 'echo one; read word; echo "got $word"; exit 4';
      await using first = await onTerminal(
        command('run', '-it', '--name', 'detached', 'busybox', 'sh', '-c', script),
        size,
      );
      await first.expect(/one/);
      first.type('\x10\x11');
      assert.equal(await first.exitCode, 0);
      assert.equal(await dvm.run(['inspect', '-f', '{{.State.Running}}', 'detached']), 'true\n');

      await using exec = await onTerminal(command('exec', '-it', 'detached', 'stty', 'size'), size);
      await exec.expect(/31 97\r\n/);
      assert.equal(await exec.exitCode, 0);

      await using second = await onTerminal(command('attach', 'detached'), size);
      second.type('two\n');
      await second.expect(/got two/);
      assert.equal(await second.exitCode, 4);
      await dvm.run(['rm', 'detached']);
    },
  );
});
