/**
 * A daemon of sorts for runtime-kill.test.ts, which kills it: starts a container or takes it up again, and appends its
 * output to a file. `<directory> start` prints the records; `<directory> resume <file with them>` goes on.
 */
import { openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { Json } from '../../src/engine/model/json.ts';
import type { OutputSink, SandboxProcess } from '../../src/engine/ports/pod-runtime.ts';
import { containerSpec, processSpec } from '../conformance/pod-runtime.ts';
import { openRuntime } from './runtime-host.ts';
import { blankDisk, busyboxLayer } from './runtime-image.ts';

const [directory = '', what = ''] = process.argv.slice(2);
const output = join(directory, 'output');
const records = join(directory, 'records');
const file = openSync(output, 'a');
let recorded = statSync(output).size;

/** Written is safe: it survives the death of this process. */
const sink: OutputSink = {
  write: (stream, offset, chunk) => {
    if (stream === 'stderr') return;
    if (Number(offset) !== recorded)
      throw new Error(`offset ${String(offset)} where ${recorded} is recorded`);
    writeSync(file, chunk);
    recorded += chunk.length;
  },
  close: () => undefined,
};

const signal = AbortSignal.timeout(100_000);
const { runtime } = await openRuntime(directory, {}, { span: () => undefined, warn: console.error });
const started = what === 'start' ? await start() : await resume();
console.log('running');
const exit = await started.exited;
await started.drained;
writeFileSync(join(directory, 'exit'), JSON.stringify(exit));
console.log('ended');
process.exit();

async function start(): Promise<SandboxProcess> {
  const layer = await busyboxLayer(directory);
  const writablePath = await blankDisk(join(directory, 'disk'));
  const sandbox = await runtime.createSandbox(
    { id: randomBytes(32).toString('hex'), hostname: 'pod' },
    signal,
  );
  const script = 'seq 1 400000; sleep 2; seq 400001 500000; exit 9';
  const request = containerSpec([layer], processSpec(['sh', '-c', script]), { writablePath });
  const container = await sandbox.startContainer(request, sink, signal);
  const facts = { sandbox: sandbox.record, container: container.record, process: container.process.record };
  writeFileSync(records, JSON.stringify(facts));
  return container.process;
}

async function resume(): Promise<SandboxProcess> {
  const facts = JSON.parse(readFileSync(records, 'utf8')) as {
    sandbox: Json;
    container: Json;
    process: Json;
  };
  const sandbox = await runtime.resumeSandbox(facts.sandbox, signal);
  if (sandbox === undefined) throw new Error('the sandbox is gone');
  const container = await sandbox.resumeContainer(
    facts.container,
    { record: facts.process, stdoutOffset: BigInt(recorded), stderrOffset: 0n, sink },
    signal,
  );
  if (container === undefined) throw new Error('the container is gone');
  return container.process;
}
