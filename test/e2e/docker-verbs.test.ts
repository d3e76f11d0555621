/** The real docker client against the real daemon: every verb on containers and images, and what it prints. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import { DockerCommand, dockerMissing } from './docker-command.ts';
import { loadBusyboxWithDocker } from './docker-images.ts';

void test('docker’s verbs', { timeout: 600_000, skip: dockerMissing() }, async (t) => {
  await using daemon = await startDaemon();
  const docker = new DockerCommand(daemon.socket);
  await loadBusyboxWithDocker(docker);
  const status = async (name: string) =>
    (await docker.run(['inspect', '-f', '{{.State.Status}}', name])).trim();

  await t.test('version and info say what runs', async () => {
    const version = await docker.run([
      'version',
      '--format',
      '{{.Server.APIVersion}} {{.Server.Platform.Name}}',
    ]);
    assert.equal(version, '1.51 DVM\n');
    const info = await docker.run(['info']);
    assert.match(info, /Storage Driver: erofs/);
    assert.match(info, /Accelerator: (kvm|tcg)/);
    assert.match(info, /Guest Kernel: \S+ \((trimmed|stock|custom)\)/);
  });

  await t.test('a container’s life: create, start, pause, unpause, restart, stop, rename, rm', async () => {
    const create = [
      'create',
      '--name',
      'life',
      '--label',
      'a=b',
      'busybox',
      'sh',
      '-c',
      "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done",
    ];
    assert.match(await docker.run(create), /^[0-9a-f]{64}\n$/);
    assert.equal(await status('life'), 'created');
    assert.equal(await docker.run(['start', 'life']), 'life\n');
    assert.equal(await status('life'), 'running');
    assert.match(
      await docker.run(['ps', '--filter', 'label=a=b', '--format', '{{.Names}} {{.Status}}']),
      /^life Up /,
    );
    await docker.run(['pause', 'life']);
    assert.equal(await status('life'), 'paused');
    const paused = await docker.try(['exec', 'life', 'true']);
    assert.notEqual(paused.code, 0);
    await docker.run(['unpause', 'life']);
    await docker.run(['restart', '-t', '5', 'life']);
    assert.equal(await status('life'), 'running');
    await waitForOutput(docker, 'life', /up\nup\n/);
    await docker.run(['stop', '-t', '5', 'life']);
    assert.equal(await docker.run(['wait', 'life']), '9\n');
    assert.match(await docker.run(['ps', '-a', '--format', '{{.Status}}']), /^Exited \(9\) /);
    await docker.run(['rename', 'life', 'afterlife']);
    assert.equal(await docker.run(['rm', 'afterlife']), 'afterlife\n');
    assert.equal((await docker.try(['inspect', 'afterlife'])).code, 1);
  });

  await t.test('the writable layer lives until rm', async () => {
    await docker.run(['run', '--name', 'layer', 'busybox', 'sh', '-c', 'date >> /kept; wc -l < /kept']);
    assert.equal((await docker.run(['start', '-a', 'layer'])).trim(), '2');
    await docker.run(['rm', 'layer']);
  });

  await t.test('exec: output, input, user, environment, directory, exit codes', async () => {
    await docker.run(['run', '-d', '--name', 'busy', 'busybox', 'sleep', '100000']);
    assert.equal(await docker.run(['exec', 'busy', 'echo', 'here']), 'here\n');
    assert.equal(await docker.run(['exec', '-i', 'busy', 'cat'], 'typed'), 'typed');
    const options = ['exec', '-u', '7', '-e', 'A=b', '-w', '/tmp', 'busy', 'sh', '-c', 'id -u; echo $A; pwd'];
    assert.equal(await docker.run(options), '7\nb\n/tmp\n');
    assert.equal((await docker.try(['exec', 'busy', 'sh', '-c', 'exit 5'])).code, 5);
    assert.equal((await docker.try(['exec', 'busy', 'no-such-command'])).code, 127);
    assert.equal(await docker.run(['exec', '-d', 'busy', 'touch', '/made']), '');
    await docker.run(['exec', 'busy', 'sh', '-c', 'until [ -e /made ]; do sleep 0.01; done']);
  });

  await t.test('top, stats, update, logs', async () => {
    assert.match(await docker.run(['top', 'busy']), /CMD\n[^\n]* sleep 100000/);
    assert.match(
      await docker.run(['stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}}', 'busy']),
      /^busy [1-9]/,
    );
    await docker.run(['update', '--memory', '64m', '--memory-swap', '64m', 'busy']);
    assert.equal(await docker.run(['inspect', '-f', '{{.HostConfig.Memory}}', 'busy']), `${64 << 20}\n`);
    await docker.run([
      'run',
      '--name',
      'talks',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3; do echo line $i; done; echo bad >&2',
    ]);
    const all = await docker.try(['logs', 'talks']);
    assert.deepEqual(all, { code: 0, stdout: 'line 1\nline 2\nline 3\n', stderr: 'bad\n' });
    assert.equal(await docker.run(['logs', '--since', '2100-01-01T00:00:00', 'talks']), '');
    await docker.run([
      'run',
      '--name',
      'lines',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3 9; do echo line $i; done',
    ]);
    assert.match(await docker.run(['logs', '--tail', '1', '-t', 'lines']), /^\d{4}-\S+Z line 9\n$/);
    await docker.run(['rm', 'talks', 'lines']);
  });

  await t.test('logs -f follows until the end', async () => {
    const talk = 'until [ -e /go ]; do sleep 0.01; done; echo more';
    await docker.run(['run', '-d', '--name', 'follow', 'busybox', 'sh', '-c', `echo first; ${talk}`]);
    const child = docker.spawn(['logs', '-f', 'follow']);
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    const exited = once(child, 'exit');
    while (!seen.includes('first\n')) await once(child.stdout, 'data');
    await docker.run(['exec', 'follow', 'touch', '/go']);
    await exited;
    assert.equal(seen, 'first\nmore\n');
    await docker.run(['rm', 'follow']);
  });

  await t.test('attach: output from now on; the client’s signals reach the container', async () => {
    const script = "trap 'echo caught; exit 6' USR1; echo up; while :; do sleep 0.05; done";
    await docker.run(['run', '-d', '--name', 'signals', 'busybox', 'sh', '-c', script]);
    await waitForOutput(docker, 'signals', /up\n/);
    const child = docker.spawn(['attach', 'signals']);
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    const exited = once(child, 'exit') as Promise<[number]>;
    // Attached when the event says so: before that the signal would be lost.
    await waitForEvent(docker, 'signals', 'attach');
    // Not SIGINT, at which the client gives up attaching while it passes the signal on: whichever comes first.
    child.kill('SIGUSR1');
    const [code] = await exited;
    assert.deepEqual({ code, seen }, { code: 6, seen: 'caught\n' });
    await docker.run(['rm', 'signals']);
  });

  await t.test('kill, rm -f, prune', async () => {
    await docker.run(['kill', '-s', 'KILL', 'busy']);
    assert.equal(await docker.run(['wait', 'busy']), '137\n');
    await docker.run(['run', '-d', '--name', 'forced', 'busybox', 'sleep', '100000']);
    assert.equal((await docker.try(['rm', 'forced'])).code, 1);
    await docker.run(['rm', '-f', 'forced']);
    assert.match(await docker.run(['container', 'prune', '-f']), /Deleted Containers:\n[0-9a-f]{64}\n/);
    assert.equal(await docker.run(['ps', '-aq']), '');
  });

  await t.test('images: list, tag, history, inspect, import, rmi, prune', async () => {
    assert.match(await docker.run(['images', '--format', '{{.Repository}}:{{.Tag}}']), /^busybox:latest\n$/);
    await docker.run(['tag', 'busybox', 'mine/own:1']);
    assert.match(await docker.run(['history', '-q', 'mine/own:1']), /^[0-9a-f]{12}\n/);
    assert.equal(await docker.run(['image', 'inspect', '-f', '{{.Os}}', 'mine/own:1']), 'linux\n');
    assert.equal(await docker.run(['rmi', 'mine/own:1']), 'Untagged: mine/own:1\n');
    assert.equal((await docker.try(['rmi', 'mine/own:1'])).code, 1);
    assert.equal((await docker.try(['image', 'inspect', 'nothing'])).code, 1);
    await docker.run(['image', 'prune', '-f']);
    assert.match(await docker.run(['system', 'df']), /Images\s+1/);
  });

  await t.test('what is not there yet is refused by name', async () => {
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [['cp', 'x:/a', '-'], /cp\) is not supported yet/],
      [['commit', 'x'], /commit\) is not supported yet/],
      [['volume', 'create', 'x'], /volumes is not supported yet/],
      [['network', 'create', 'x'], /networks is not supported yet/],
      [['run', '--rm', '-p', '80', 'busybox', 'true'], /HostConfig\.PortBindings is not supported yet/],
      [['run', '--rm', '--pid', 'host', 'busybox', 'true'], /HostConfig\.PidMode is not supported/],
      [['save', 'busybox'], /not supported yet/],
    ];
    for (const [args, expected] of refusals) {
      const { code, stderr } = await docker.try(args);
      assert.notEqual(code, 0, args.join(' '));
      assert.match(stderr, expected);
    }
  });
});

async function waitForOutput(docker: DockerCommand, container: string, pattern: RegExp): Promise<void> {
  const child = docker.spawn(['logs', '-f', container]);
  const exited = once(child, 'exit');
  let seen = '';
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    seen += chunk.toString();
    if (pattern.test(seen)) break;
  }
  child.kill('SIGKILL');
  await exited;
  assert.match(seen, pattern);
}

/** The newest event of its kind within the last seconds, or the next one. */
async function waitForEvent(docker: DockerCommand, container: string, action: string): Promise<void> {
  const child = docker.spawn([
    'events',
    '--since',
    '5s',
    '--filter',
    `event=${action}`,
    '--filter',
    `container=${container}`,
  ]);
  await once(child.stdout, 'data');
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
