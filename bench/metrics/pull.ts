/** How long a pull takes until the image can run: from a registry on loopback. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DvmCommand } from '../../test/e2e/dvm-command.ts';
import type { TestDaemon } from '../../test/e2e/daemon-fixture.ts';
import { dockerArchive, tarOf } from '../../test/e2e/crafted-image.ts';
import { startRegistry } from '../../test/e2e/registry.ts';
import type { Metric } from '../metric.ts';
import { summarise } from '../statistics.ts';

const runs = 5;
const files = 400;
const fileBytes = 256 * 1024;

export async function measurePull(daemon: TestDaemon): Promise<Metric[]> {
  const dvm = new DvmCommand(daemon.socket);
  await using registry = await startRegistry();
  const reference = await pushImage((source) => registry.push(source, 'bench:100mb'));
  const values: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const startedMs = performance.now();
    await dvm.run(['pull', '-q', reference]);
    if (run > 0) values.push(performance.now() - startedMs); // the first one warms the registry up
    await dvm.run(['rmi', reference]);
  }
  return [
    {
      name: 'pull of a 100 MB image',
      definition: `client process spawned → exited, the image can run (${files} files of 256 KiB, half random, gzip)`,
      unit: 'ms',
      summary: summarise(values),
    },
  ];
}

/** Half of each file is random, half a repeated line: it shrinks to about half, as real layers do. */
function layer(): Buffer {
  const text = Buffer.alloc(fileBytes / 2, 'a line of text, as there are many\n');
  return tarOf([
    { name: 'data/', type: 'directory' },
    ...Array.from({ length: files }, (_, index) => ({
      name: `data/${index}`,
      content: Buffer.concat([randomBytes(fileBytes / 2), text]),
    })),
  ]);
}

async function pushImage(push: (source: string) => Promise<string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-bench-'));
  try {
    const archive = join(directory, 'image.tar');
    await writeFile(archive, dockerArchive({ layers: [layer()] }, 'bench:100mb'));
    return await push(`docker-archive:${archive}:bench:100mb`);
  } finally {
    await rm(directory, { recursive: true });
  }
}
