/** What pods cost that do nothing, and what the daemon costs beside them. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DaemonClient } from '../../src/client/daemon-client.ts';
import { parseEndpoint } from '../../src/client/endpoint.ts';
import { DvmCommand } from '../../test/e2e/dvm-command.ts';
import type { TestDaemon } from '../../test/e2e/daemon-fixture.ts';
import type { Metric } from '../metric.ts';
import { waitForFullPool } from '../pool.ts';
import { summarise } from '../statistics.ts';

const pods = 4;
const watchedMs = 60_000;
const ticksPerSecond = 100; // USER_HZ, the same on every x86-64 Linux
const kilobyte = 1024 / 1e6; // in MB

export async function measureIdle(daemon: TestDaemon): Promise<Metric[]> {
  const dvm = new DvmCommand(daemon.socket);
  const client = new DaemonClient(parseEndpoint(daemon.socket));
  const ids: string[] = [];
  try {
    for (let pod = 0; pod < pods; pod++)
      ids.push((await dvm.run(['run', '-d', 'busybox', 'sleep', '100000'])).trim());
    await waitForFullPool(client);
    const pids = await Promise.all(ids.map((id) => vmmOf(client, id)));
    const cpuBefore = await Promise.all(pids.map(cpuTicks));
    const daemonBefore = await cpuTicks(daemon.pid);
    const startedMs = performance.now();
    await delay(watchedMs); // the measurement itself
    const seconds = (performance.now() - startedMs) / 1000;
    const share = (before: number, after: number) => ((after - before) / ticksPerSecond / seconds) * 100;
    const cpu = await Promise.all(
      pids.map(async (pid, index) => share(cpuBefore[index] ?? 0, await cpuTicks(pid))),
    );
    const daemonCpu = share(daemonBefore, await cpuTicks(daemon.pid));
    const [pss, rss] = await Promise.all([
      Promise.all(pids.map((pid) => rollup(pid, 'Pss'))),
      rollup(daemon.pid, 'Rss'),
    ]);
    const guest = await Promise.all(ids.map((id) => guestUsed(dvm, id)));
    return [
      {
        name: 'idle pod: PSS of its VMM',
        definition: `Pss of /proc/VMM/smaps_rollup, ${pods} pods of busybox sleep beside the pool`,
        unit: 'MB',
        aim: 30,
        summary: summarise(pss),
      },
      {
        name: 'idle pod: memory used in the guest',
        definition: 'MemTotal − MemFree in the guest, by exec',
        unit: 'MB',
        summary: summarise(guest),
      },
      {
        name: 'idle pod: CPU of its VMM',
        definition: 'user and system time of the VMM over a minute',
        unit: '% of a core',
        aim: 0.2,
        summary: summarise(cpu),
      },
      {
        name: 'daemon: resident memory',
        definition: `Rss of /proc/dvmd/smaps_rollup after the measurements above, ${pods} pods running`,
        unit: 'MB',
        summary: summarise([rss]),
      },
      {
        name: 'daemon: CPU',
        definition: 'user and system time of dvmd over the same minute',
        unit: '% of a core',
        summary: summarise([daemonCpu]),
      },
    ];
  } finally {
    if (ids.length > 0) await dvm.run(['rm', '-f', ...ids]);
    client.close();
  }
}

async function vmmOf(client: DaemonClient, id: string): Promise<number> {
  const { State } = await client.json<{ readonly State: { readonly Pid: number } }>(
    'GET',
    `/containers/${id}/json`,
  );
  return State.Pid;
}

/** utime and stime, after the name, which may hold anything. */
async function cpuTicks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

async function rollup(pid: number, key: 'Pss' | 'Rss'): Promise<number> {
  return kilobytes(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'), key) * kilobyte;
}

async function guestUsed(dvm: DvmCommand, id: string): Promise<number> {
  const meminfo = await dvm.run(['exec', id, 'cat', '/proc/meminfo']);
  return (kilobytes(meminfo, 'MemTotal') - kilobytes(meminfo, 'MemFree')) * kilobyte;
}

function kilobytes(text: string, key: string): number {
  const found = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
  if (found === undefined) throw new Error(`no ${key} in ${text.slice(0, 200)}`);
  return Number(found);
}
