/** What the fake agent's image has in its PATH: enough of a busybox for the tests that also run on a real one. */
import { once } from 'node:events';
import type { FakeProgram, FakeProgramContext } from './fake-process.ts';

/** Waits until the process is killed, which ends it by itself. */
async function forever({ killed }: FakeProgramContext): Promise<number> {
  if (!killed.aborted) await once(killed, 'abort');
  return 0;
}

const echo: FakeProgram = async ({ args, write }) => {
  await write('stdout', `${args.slice(1).join(' ')}\n`);
  return 0;
};

const cat: FakeProgram = async ({ read, write }) => {
  for (let bytes = await read(); bytes !== undefined; bytes = await read()) await write('stdout', bytes);
  return 0;
};

/** head -c BYTES /dev/zero */
const head: FakeProgram = async ({ args, write }) => {
  const block = Buffer.alloc(64 << 10);
  for (let left = Number(args[2]); left > 0; left -= block.length) {
    await write('stdout', block.subarray(0, Math.min(left, block.length)));
  }
  return 0;
};

const env: FakeProgram = async ({ env: variables, write }) => {
  await write('stdout', variables.map((variable) => `${variable}\n`).join(''));
  return 0;
};

const hostname: FakeProgram = async ({ hostname: name, write }) => {
  await write('stdout', `${name()}\n`);
  return 0;
};

const stty: FakeProgram = async ({ size, write }) => {
  const { rows, cols } = size();
  await write('stdout', `${rows} ${cols}\n`);
  return 0;
};

/** sh -c with commands between semicolons, `>&2`, `exit N` and `trap 'exit N' TERM; …; sleep N & wait`. */
const sh: FakeProgram = async (context) => {
  const script = context.args[2] ?? '';
  const trap = /trap 'exit (\d+)' TERM/.exec(script);
  if (trap !== null) {
    const { promise, resolve } = Promise.withResolvers<number>();
    context.onSignal(() => resolve(Number(trap[1])));
    for (const command of script.split(';').slice(1)) await simple(context, command);
    return await promise;
  }
  let status = 0;
  for (const command of script.split(';')) {
    const exit = /^\s*exit (\d+)\s*$/.exec(command);
    if (exit !== null) return Number(exit[1]);
    status = await simple(context, command);
  }
  return status;
};

async function simple(context: FakeProgramContext, command: string): Promise<number> {
  const toStderr = command.includes('>&2');
  const args = command.replace('>&2', '').trim().split(/\s+/);
  if (args[0] === undefined || args[0] === '' || args.at(-1) === 'wait') return 0;
  const program = fakePrograms[args[0]];
  if (program === undefined) return 127;
  return await program({
    ...context,
    args,
    write: (stream, bytes) => context.write(toStderr ? 'stderr' : stream, bytes),
  });
}

export const fakePrograms: Readonly<Record<string, FakeProgram>> = {
  true: () => Promise.resolve(0),
  false: () => Promise.resolve(1),
  sleep: forever,
  echo,
  cat,
  head,
  env,
  hostname,
  stty,
  sh,
};
