import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeDaemon } from '../testing/fake-daemon.ts';
import { commandTable } from '../command-table.ts';
import { bashScript } from './bash.ts';
import { describeCommands } from './describe-commands.ts';
import { fishScript } from './fish.ts';
import { zshScript } from './zsh.ts';

const program = await describeCommands(commandTable);

/** What bash offers at the end of the line; the last word is the one being typed. */
async function completeInBash(words: readonly string[], path = ''): Promise<readonly string[]> {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const script = `${bashScript(program)}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _dvm; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { PATH: `${path}:${process.env['PATH'] ?? ''}` };
  const bash = spawn('bash', ['--norc', '-c', script], { cwd: import.meta.dirname, env });
  let output = '';
  let complaint = '';
  bash.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  bash.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  await once(bash, 'close');
  assert.equal(complaint, '');
  return output.split('\n').filter((word) => word !== '');
}

test('bash: verbs, management words and global flags', async () => {
  assert.deepEqual(await completeInBash(['dvm', 'pu']), ['pull']);
  assert.deepEqual(await completeInBash(['dvm', 'cont']), ['container']);
  assert.deepEqual(await completeInBash(['dvm', 'container', 'pr']), ['prune']);
  assert.deepEqual(await completeInBash(['dvm', '--so']), ['--socket']);
  assert.deepEqual(await completeInBash(['dvm', '--socket', '/x', 'rena']), ['rename']);
});

test('bash: flags of the verb, and what their values can be', async () => {
  assert.deepEqual(await completeInBash(['dvm', 'run', '--memory-']), [
    '--memory-reservation',
    '--memory-swap',
  ]);
  assert.deepEqual(await completeInBash(['dvm', 'container', 'run', '--cidf']), ['--cidfile']);
  assert.deepEqual(await completeInBash(['dvm', 'run', '--pull', 'm']), ['missing']);
  assert.deepEqual(await completeInBash(['dvm', 'run', '--env-file', 'fis']), ['fish.ts']);
  assert.deepEqual(await completeInBash(['dvm', 'completion', 'z']), ['zsh']);
  assert.deepEqual(await completeInBash(['dvm', 'run', '--name', 'x']), []);
});

test('bash: names come from the daemon that the line talks to, and none is started for them', async () => {
  await using daemon = await FakeDaemon.start({
    'GET /containers/json': () => ({
      body: [{ Names: ['/web'] }, { Names: ['/worker'] }, { Names: ['/db'] }],
    }),
    'GET /images/json': () => ({ body: [{ RepoTags: ['busybox:latest', '<none>:<none>'] }] }),
  });
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-completion-'));
  const dvm = join(directory.path, 'dvm');
  const main = join(import.meta.dirname, '../main.ts');
  await writeFile(dvm, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  await chmod(dvm, 0o755);
  const words = ['dvm', '--socket', daemon.socketPath];
  assert.deepEqual(await completeInBash([...words, 'stop', 'w'], directory.path), ['web', 'worker']);
  assert.deepEqual(daemon.requests[0]?.query['all'], ['0']);
  assert.deepEqual(await completeInBash([...words, 'rm', 'd'], directory.path), ['db']);
  assert.deepEqual(daemon.requests[1]?.query['all'], ['1']);
  assert.deepEqual(await completeInBash([...words, 'run', 'bus'], directory.path), ['busybox:latest']);
  assert.deepEqual(
    await completeInBash(['dvm', '--state-dir', '/nonexistent', 'stop', ''], directory.path),
    [],
  );
});

test('every verb and every flag that is not hidden is in all three scripts', () => {
  const scripts = [bashScript(program), zshScript(program), fishScript(program)];
  for (const { name, flags } of program.commands) {
    for (const script of scripts) assert.ok(script.includes(name), name);
    for (const flag of flags)
      for (const script of scripts) assert.ok(script.includes(flag.name), `${name} --${flag.name}`);
  }
});

for (const [shell, script] of [
  ['zsh', zshScript],
  ['fish', fishScript],
] as const) {
  const installed = spawnSync(shell, ['--version']).status === 0;
  test(`${shell} can read its script`, { skip: !installed && `there is no ${shell} here` }, async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-completion-'));
    const path = join(directory.path, 'script');
    await writeFile(path, script(program));
    const checked = spawnSync(shell, ['-n', path]);
    assert.equal(checked.stderr.toString(), '');
    assert.equal(checked.status, 0);
  });
}
