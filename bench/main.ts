/** `make bench`: everything in one run, on daemons of its own; the figures go to build/bench/. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { DvmInfo } from '../src/api/dvm/schemas.ts';
import { DaemonClient } from '../src/client/daemon-client.ts';
import { parseEndpoint } from '../src/client/endpoint.ts';
import { startDaemon, type TestDaemon } from '../test/e2e/daemon-fixture.ts';
import { DvmCommand } from '../test/e2e/dvm-command.ts';
import { loadBusybox } from '../test/e2e/test-images.ts';
import type { Metric } from './metric.ts';
import { measureIdle } from './metrics/idle.ts';
import { measurePull } from './metrics/pull.ts';
import { measureExec, measureStarts } from './metrics/starts.ts';
import { table, type HostDescription } from './report.ts';

const directory = join(import.meta.dirname, '../build/bench');

async function measureAll(): Promise<{ host: HostDescription; metrics: Metric[] }> {
  const metrics: Metric[] = [];
  const loadBefore = loadavg()[0]?.toFixed(1) ?? '';
  const add = (what: string, measured: readonly Metric[]) => {
    metrics.push(...measured);
    process.stderr.write(`bench: ${what}: done\n`);
  };
  await using daemon = await startDaemon();
  await loadBusybox(new DvmCommand(daemon.socket));
  const host = await describeHost(daemon, loadBefore);
  add('starts from the pool', await measureStarts(daemon, true));
  add('exec', await measureExec(daemon));
  add('idle pods', await measureIdle(daemon));
  add('pull', await measurePull(daemon));
  await using poolless = await startDaemon({ args: ['--pool-size', '0'] });
  await loadBusybox(new DvmCommand(poolless.socket));
  add('starts from the template', await measureStarts(poolless, false));
  return { host, metrics };
}

async function describeHost(daemon: TestDaemon, loadBefore: string): Promise<HostDescription> {
  const client = new DaemonClient(parseEndpoint(daemon.socket));
  const info = await client.json<DvmInfo>('GET', '/dvm/v1/info');
  client.close();
  const processors = cpus();
  return {
    cpus: `${processors.length} × ${processors[0]?.model ?? 'unknown CPU'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    vmm: `${info.vmm.name} ${info.vmm.version}`,
    accelerator: info.accelerator.name,
    guestKernel: info.kernel.release,
    loadBefore,
  };
}

const { host, metrics } = await measureAll();
const page = table(host, metrics);
await mkdir(directory, { recursive: true });
await writeFile(join(directory, 'bench.json'), `${JSON.stringify({ host, metrics }, null, 2)}\n`);
await writeFile(join(directory, 'bench.md'), page);
process.stdout.write(page);
