/** How long it takes until something runs. */
import { DaemonClient } from '../../src/client/daemon-client.ts';
import { parseEndpoint } from '../../src/client/endpoint.ts';
import { DvmCommand } from '../../test/e2e/dvm-command.ts';
import type { TestDaemon } from '../../test/e2e/daemon-fixture.ts';
import type { Metric } from '../metric.ts';
import { waitForFullPool } from '../pool.ts';
import { summarise } from '../statistics.ts';

const runs = 30;
const frameHeaderBytes = 8;

/** `pooled`: each run finds the pool full; else the daemon must have none, and every pod is cloned when it is asked for. */
export async function measureStarts(daemon: TestDaemon, pooled: boolean): Promise<Metric[]> {
  const dvm = new DvmCommand(daemon.socket);
  const client = new DaemonClient(parseEndpoint(daemon.socket));
  const ready = async () => {
    if (pooled) await waitForFullPool(client);
  };
  const from = pooled ? 'from the pool' : 'from the template, no pool';
  try {
    await dvm.run(['run', '--rm', 'busybox', 'true']); // warm-up; builds the template
    const whole = await sample(runs, ready, () => dvm.run(['run', '--rm', 'busybox', 'true']));
    const first = await sample(runs, ready, () => createToFirstByte(client));
    return [
      {
        name: `dvm run --rm busybox true, ${from}`,
        definition: 'client process spawned → client process has exited',
        unit: 'ms',
        aim: 250,
        summary: summarise(whole),
      },
      {
        name: `API: create to first output, ${from}`,
        definition: 'create request sent → first byte of output received (create, attach, start on the API)',
        unit: 'ms',
        summary: summarise(first),
      },
    ];
  } finally {
    client.close();
  }
}

export async function measureExec(daemon: TestDaemon): Promise<Metric[]> {
  const dvm = new DvmCommand(daemon.socket);
  const id = (await dvm.run(['run', '-d', '--rm', 'busybox', 'sleep', '100000'])).trim();
  try {
    await dvm.run(['exec', id, 'true']);
    const values = await sample(
      runs,
      () => Promise.resolve(),
      () => dvm.run(['exec', id, 'true']),
    );
    return [
      {
        name: 'dvm exec … true',
        definition: 'client process spawned → client process has exited',
        unit: 'ms',
        aim: 60,
        summary: summarise(values),
      },
    ];
  } finally {
    await dvm.run(['rm', '-f', id]);
  }
}

async function createToFirstByte(client: DaemonClient): Promise<void> {
  const { Id } = await client.json<{ readonly Id: string }>('POST', '/containers/create', {
    json: { Image: 'busybox', Cmd: ['echo', 'x'], AttachStdout: true, HostConfig: { AutoRemove: true } },
  });
  const { socket, bytes } = await client.hijack('POST', `/containers/${Id}/attach`, {
    query: { stream: 1, stdout: 1 },
  });
  try {
    await client.send('POST', `/containers/${Id}/start`);
    let received = 0;
    while (received <= frameHeaderBytes) {
      const chunk = await bytes.next();
      if (chunk === undefined) throw new Error(`container ${Id} said nothing`);
      received += chunk.length;
    }
  } finally {
    socket.destroy();
  }
}

async function sample(
  count: number,
  before: () => Promise<void>,
  measured: () => Promise<unknown>,
): Promise<number[]> {
  const values: number[] = [];
  for (let run = 0; run < count; run++) {
    await before();
    const startedMs = performance.now();
    await measured();
    values.push(performance.now() - startedMs);
  }
  return values;
}
