/** version, info, doctor, stats and the origin line: what docker's client could not be recorded for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from '../program.ts';
import { CapturedOutput } from '../testing/captured-output.ts';
import { CliProcess } from '../testing/cli-process.ts';
import { FakeDaemon, frame } from '../testing/fake-daemon.ts';
import type { Routes } from '../testing/fake-daemon.ts';

const dvmInfo = {
  version: '0.1.0',
  vmm: { name: 'QEMU', version: '10.0.2' },
  accelerator: { name: 'tcg', reason: '/dev/kvm is not there' },
  kernel: {
    kind: 'trimmed',
    release: '6.1.140',
    path: '/var/lib/dvm/kernel',
    reason: 'built from the fragment',
  },
  pool: { target: 2, ready: 1 },
  templates: 1,
  defaults: { memoryBytes: 2 * 1024 ** 3, vcpus: 2 },
  containers: { running: 1, paused: 0, stopped: 2 },
  images: 3,
  dataDirectory: '/var/lib/dvm',
  stateDirectory: '/run/dvm',
  socket: '/run/dvm/dvm.sock',
  pid: 4711,
  warnings: ['the trimmed kernel is still being built'],
};

const stats = {
  name: '/web',
  id: 'c'.repeat(64),
  pids_stats: { current: 5 },
  blkio_stats: {
    io_service_bytes_recursive: [
      { major: 8, minor: 0, op: 'Read', value: 1_500_000 },
      { major: 8, minor: 0, op: 'write', value: 2000 },
    ],
  },
  cpu_stats: { cpu_usage: { total_usage: 3_000_000_000 }, system_cpu_usage: 10_000_000_000, online_cpus: 2 },
  precpu_stats: {
    cpu_usage: { total_usage: 2_000_000_000 },
    system_cpu_usage: 6_000_000_000,
    online_cpus: 2,
  },
  memory_stats: { usage: 110 * 1024 ** 2, limit: 1024 ** 3, stats: { inactive_file: 10 * 1024 ** 2 } },
  networks: { eth0: { rx_bytes: 1200, tx_bytes: 34 } },
};

async function dvm(routes: Routes, ...words: readonly string[]) {
  await using daemon = await FakeDaemon.start(routes);
  const out = new CapturedOutput();
  const err = new CapturedOutput();
  const env = { DOCKER_CONFIG: '/nonexistent' };
  const code = await runProgram({ words: ['--socket', daemon.socketPath, ...words], env, out, err });
  return { code, out: out.text, err: err.text };
}

test('info tells the VMM, the accelerator and the guest kernel with their reasons, and warns on stderr', async () => {
  const docker = {
    Containers: 3,
    ContainersRunning: 1,
    ContainersPaused: 0,
    ContainersStopped: 2,
    Images: 3,
    MemTotal: 8 * 1024 ** 3,
    Warnings: null,
  };
  const routes = { 'GET /info': () => ({ body: docker }), 'GET /dvm/v1/info': () => ({ body: dvmInfo }) };
  const shown = await dvm(routes, 'info');
  assert.equal(shown.code, 0);
  for (const line of [
    'VMM: QEMU 10.0.2',
    'Accelerator: tcg',
    '/dev/kvm is not there',
    'Guest Kernel: 6.1.140 (trimmed)',
    'Pool: 1 of 2 ready',
    'Total Memory: 8GiB',
  ]) {
    assert.ok(shown.out.includes(line), line);
  }
  assert.equal(shown.err, 'WARNING: the trimmed kernel is still being built\n');
  assert.equal((await dvm(routes, 'info', '-f', '{{.Images}} {{.Dvm.kernel.kind}}')).out, '3 trimmed\n');
});

test('doctor lists its checks with advice, and its exit code is the verdict', async () => {
  const checks = [
    { name: 'QEMU', status: 'ok', message: '10.0.2' },
    { name: 'KVM', status: 'warning', message: '/dev/kvm is not there', advice: 'switch virtualization on' },
  ];
  const well = await dvm({ 'GET /dvm/v1/doctor': () => ({ body: { healthy: true, checks } }) }, 'doctor');
  assert.equal(well.code, 0);
  assert.match(
    well.out,
    /^ok +QEMU +10\.0\.2\nwarning +KVM +\/dev\/kvm is not there\n +-> switch virtualization on\n/,
  );
  const failed = [
    { name: 'QEMU', status: 'failed', message: 'not found', advice: 'apt install qemu-system-x86' },
  ];
  const ill = await dvm(
    { 'GET /dvm/v1/doctor': () => ({ body: { healthy: false, checks: failed } }) },
    'doctor',
  );
  assert.equal(ill.code, 1);
  assert.match(ill.out, /^FAILED +QEMU +not found/);
});

test('version shows both sides, and the client’s alone when there is no daemon', async () => {
  const server = {
    Platform: { Name: 'DVM' },
    Components: [{ Name: 'Engine', Version: '0.1.0', Details: { ApiVersion: '1.51' } }],
  };
  const both = await dvm({ 'GET /version': () => ({ body: server }) }, 'version');
  assert.equal(both.code, 0);
  assert.match(
    both.out,
    /^Client:\n[^]*\nServer: DVM\n Engine:\n {2}Version: +0\.1\.0\n {2}ApiVersion: +1\.51\n$/,
  );
  const alone = await dvm({}, 'version', '--client');
  assert.equal(alone.code, 0);
  assert.match(alone.out, /^Client:\n Version: /);
  const down = await dvm({}, 'version');
  assert.equal(down.code, 1);
  assert.match(down.out, /^Client:/);
});

test('stats: one sample as a table', async () => {
  const routes = {
    'GET /containers/json': () => ({ body: [{ Id: 'c'.repeat(64) }] }),
    'GET /containers/*/stats': () => ({ body: `${JSON.stringify(stats)}\n` }),
  };
  const shown = await dvm(routes, 'stats', '--no-stream');
  assert.equal(
    shown.out,
    'CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O       BLOCK I/O     PIDS\n' +
      'cccccccccccc   web       50.00%    100MiB / 1GiB       9.77%     1.2kB / 34B   1.5MB / 2kB   5\n',
  );
  const missing = await dvm(
    { 'GET /containers/*/stats': () => ({ status: 404, body: { message: 'No such container: x' } }) },
    'stats',
    '--no-stream',
    'x',
  );
  assert.equal(missing.code, 1);
  assert.match(missing.err, /No such container: x/);
});

test('a live display ends with the container that was asked for', async () => {
  await using daemon = await FakeDaemon.start({
    'GET /containers/*/stats': () => ({
      stream: async (response) => {
        response.write(`${JSON.stringify(stats)}\n`);
        await new Promise((resolve) => setTimeout(resolve, 100));
        response.end();
      },
    }),
  });
  await using client = new CliProcess(['--socket', daemon.socketPath, 'stats', 'web']);
  assert.equal(await client.code(), 0);
  assert.match(client.stdout.toString(), /\x1b\[H[^]*web[^]*50\.00%[^]*\x1b\[J/);
});

test('--show-origin says on stderr what ran the container, also when it is gone already', async () => {
  const origin = {
    how: 'pool',
    vmm: 'QEMU 10.0.2',
    accelerator: 'tcg',
    kernelRelease: '6.1.140',
    kernelKind: 'trimmed',
    startMs: 61.7,
  };
  const routes: Routes = {
    'POST /containers/create': () => ({ status: 201, body: { Id: 'c1', Warnings: [] } }),
    'POST /containers/*/start': () => ({}),
    'POST /containers/*/wait': () => ({ body: { StatusCode: 0 } }),
    'GET /dvm/v1/info': () => ({ body: dvmInfo }),
  };
  const expected =
    /^dvm: ran in a microVM of its own: QEMU 10\.0\.2, tcg, guest kernel 6\.1\.140 \(trimmed\), started in \d+ ms\n$/;
  for (const more of [{ 'GET /dvm/v1/containers/*/origin': () => ({ body: origin }) }, {}] as const) {
    await using daemon = await FakeDaemon.start(
      { ...routes, ...more },
      { 'POST /containers/*/attach': (socket) => void socket.end(frame(1, 'hi\n')) },
    );
    await using client = new CliProcess([
      '--socket',
      daemon.socketPath,
      'run',
      '--rm',
      '--show-origin',
      'busybox',
    ]);
    assert.equal(await client.code(), 0);
    assert.equal(client.stdout.toString(), 'hi\n');
    assert.match(client.stderr, expected);
  }
});
