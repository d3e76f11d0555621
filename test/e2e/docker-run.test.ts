/** The real docker client against the real daemon: run, its streams, its exit codes. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import { DockerCommand, dockerMissing } from './docker-command.ts';
import { loadBusyboxWithDocker } from './docker-images.ts';
import { onTerminal } from './pseudo-terminal.ts';

const mebibyte = 1 << 20;

void test('docker run', { timeout: 600_000, skip: dockerMissing() }, async (t) => {
  await using daemon = await startDaemon();
  const docker = new DockerCommand(daemon.socket);
  const client = ['docker', '-H', `unix://${daemon.socket}`];
  assert.equal(await loadBusyboxWithDocker(docker), 'Loaded image: busybox:latest\n');

  await t.test('output, kept apart, and the exit code', async () => {
    const result = await docker.try(['run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual(result, { code: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  await t.test('exit codes of what cannot run', async () => {
    const missing = await docker.try(['run', '--rm', 'busybox', 'no-such-command']);
    assert.equal(missing.code, 127, missing.stderr);
    assert.match(missing.stderr, /no-such-command/);
    const notExecutable = await docker.try(['run', '--rm', 'busybox', '/etc/passwd']);
    assert.equal(notExecutable.code, 126, notExecutable.stderr);
    const refused = await docker.try(['run', '--rm', '-v', '/tmp:/x', 'busybox', 'true']);
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /HostConfig\.Binds is not supported yet/);
  });

  await t.test('nothing is left of what was started with --rm', async () => {
    assert.equal(await docker.run(['ps', '-aq']), '');
  });

  await t.test('standard input, to its end', async () => {
    assert.equal(await docker.run(['run', '-i', '--rm', 'busybox', 'cat'], 'in and out\n'), 'in and out\n');
    const { code } = await docker.try(
      ['run', '-i', '--rm', 'busybox', 'true'],
      Buffer.alloc(4 * mebibyte, 'x'),
    );
    assert.equal(code, 0);
  });

  await t.test('64 MiB through cat, byte for byte', async () => {
    const child = docker.spawn(['run', '-i', '--rm', '--log-driver', 'none', 'busybox', 'cat'], 300_000);
    const sent = createHash('sha256');
    const received = createHash('sha256');
    let bytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      received.update(chunk);
      bytes += chunk.length;
    });
    const exited = once(child, 'exit');
    for (let n = 0; n < 64; n++) {
      const chunk = randomBytes(mebibyte);
      sent.update(chunk);
      if (!child.stdin.write(chunk)) await once(child.stdin, 'drain');
    }
    child.stdin.end();
    const [code] = (await exited) as [number];
    assert.equal(code, 0);
    assert.equal(bytes, 64 * mebibyte);
    assert.equal(received.digest('hex'), sent.digest('hex'));
  });

  await t.test('the flags reach the container', async () => {
    const script =
      'echo $A; pwd; id -u; hostname; grep -c /scratch /proc/mounts; touch /x 2>&1 | grep -o Read-only; ulimit -n';
    const flags = [
      '-e',
      'A=b',
      '-w',
      '/etc',
      '-u',
      '33',
      '-h',
      'here',
      '--read-only',
      '--tmpfs',
      '/scratch',
      '--ulimit',
      'nofile=99:99',
    ];
    const output = await docker.run(['run', '--rm', ...flags, 'busybox', 'sh', '-c', script]);
    assert.deepEqual(output.trim().split('\n'), ['b', '/etc', '33', 'here', '1', 'Read-only', '99']);
  });

  await t.test('a terminal: its size, its end, no frames', async () => {
    await using terminal = await onTerminal(
      [
        ...client,
        'run',
        '-it',
        '--rm',
        'busybox',
        'sh',
        '-c',
        'stty size; read line; echo "<$line>"; exit 4',
      ],
      { rows: 31, columns: 97 },
    );
    await terminal.expect(/31 97/);
    terminal.type('typed\n');
    await terminal.expect(/<typed>/);
    assert.equal(await terminal.exitCode, 4);
  });

  await t.test('the detach keys leave the container running', async () => {
    await using terminal = await onTerminal(
      [...client, 'run', '-it', '--name', 'left', 'busybox', 'sh', '-c', 'echo up; cat'],
      { rows: 24, columns: 80 },
    );
    await terminal.expect(/up/);
    terminal.type('\x10\x11');
    await terminal.exitCode;
    assert.equal(await docker.run(['inspect', '-f', '{{.State.Status}}', 'left']), 'running\n');
    await docker.run(['rm', '-f', 'left']);
  });

  await t.test('--pull of an image that is nowhere says so', async () => {
    const { code, stderr } = await docker.try(['run', '--rm', '127.0.0.1:1/no/image', 'true']);
    assert.equal(code, 125);
    assert.match(stderr, /Unable to find image '127\.0\.0\.1:1\/no\/image:latest' locally/);
  });
});
