import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandTable } from './command-table.ts';
import { runProgram } from './program.ts';
import { CapturedOutput } from './testing/captured-output.ts';
import { FakeDaemon } from './testing/fake-daemon.ts';

async function dvm(...words: readonly string[]) {
  const out = new CapturedOutput();
  const err = new CapturedOutput();
  const code = await runProgram({ words, env: { DOCKER_CONFIG: '/nonexistent' }, out, err });
  return { code, out: out.text, err: err.text };
}

test('help: of the program, of a group of verbs, of a verb and of its other names', async () => {
  const top = await dvm();
  assert.equal(top.code, 0);
  for (const { names, group } of commandTable) {
    const [name = ''] = names;
    if (group === 'common' || group === 'command') assert.ok(top.out.includes(`  ${name} `), name);
  }
  assert.deepEqual(await dvm('--help'), top);
  assert.deepEqual(await dvm('help'), top);
  const container = await dvm('container');
  assert.match(
    container.out,
    /^Usage: {2}dvm container COMMAND\n[^]*\n {2}prune +Remove all stopped containers\n/,
  );
  assert.deepEqual(await dvm('container', '--help'), container);
  const run = await dvm('run', '--help');
  assert.match(run.out, /^Usage: {2}dvm run \[OPTIONS\] IMAGE \[COMMAND\] \[ARG\.\.\.\]\n\nCreate and run/);
  assert.match(run.out, /\nAliases:\n {2}dvm run, dvm container run\n/);
  assert.match(run.out, /\n {2}-m, --memory bytes +Memory limit\n/);
  assert.doesNotMatch(run.out, /--net |--no-sig-proxy/); // hidden
  assert.deepEqual(await dvm('help', 'run'), run);
  assert.deepEqual(await dvm('--help', 'run'), run);
});

test('every verb describes itself within the width of a terminal', async () => {
  for (const { names } of commandTable) {
    const { code, out } = await dvm(...(names[0] ?? '').split(' '), '--help');
    assert.equal(code, 0);
    const options = out.slice(out.indexOf('\nOptions:'));
    for (const line of options.split('\n')) assert.ok(line.length <= 90, `${names[0] ?? ''}: ${line}`);
  }
});

test('versions', async () => {
  assert.match((await dvm('--version')).out, /^DVM version \d+\.\d+\.\d+\n$/);
  assert.deepEqual(await dvm('-v'), await dvm('--version'));
});

test('what is not known or not supported is named, and where to read more', async () => {
  const verb = await dvm('biuld');
  assert.equal(verb.code, 1);
  assert.equal(verb.err, "dvm: unknown command: dvm biuld\n\nRun 'dvm --help' for more information\n");
  const sub = await dvm('image', 'biuld');
  assert.match(sub.err, /^dvm: unknown command: dvm image biuld\n/);
  const flag = await dvm('--nope', 'ps');
  assert.equal(flag.code, 125);
  assert.match(flag.err, /^unknown flag: --nope\n\nUsage: {2}dvm \[OPTIONS\] COMMAND/);
  for (const word of ['-p', '--volume=/a:/b', '--gpus', '--mount', '-P', '--dns']) {
    const run = await dvm('run', word, 'x', 'busybox');
    assert.equal(run.code, 125);
    assert.ok(
      run.err.startsWith(`${word.split('=', 1)[0] ?? ''} is not supported by DVM: leave it out\n`),
      run.err,
    );
  }
});

test('where to connect is said once and in a way that is understood', async () => {
  const both = await dvm('--socket', '/a', '-H', 'unix:///b', 'ps');
  assert.equal(both.code, 1);
  assert.match(both.err, /--socket and --host both name the daemon/);
  assert.match((await dvm('-H', 'tcp://1.2.3.4:2375', 'ps')).err, /tcp:\/\/ is not supported/);
  await using daemon = await FakeDaemon.start({ 'GET /containers/json': () => ({ body: [] }) });
  for (const words of [
    ['--socket', daemon.socketPath],
    ['-H', `unix://${daemon.socketPath}`],
    ['--host', daemon.socketPath],
  ]) {
    assert.deepEqual(await dvm(...words, 'ps', '-q'), { code: 0, out: '', err: '' });
  }
});

test('a daemon without an answer to a question that we have is quoted', async () => {
  await using daemon = await FakeDaemon.start({
    'POST /containers/*/rename': () => ({ status: 409, body: { message: 'the name is taken' } }),
  });
  const rename = await dvm('--socket', daemon.socketPath, 'rename', 'a/b c', 'd');
  assert.equal(rename.code, 1);
  assert.equal(rename.err, 'Error response from daemon: the name is taken\n');
  assert.deepEqual(daemon.asked(), ['POST /containers/a/b c/rename']); // sent encoded
});
