import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '../errors/engine-error.ts';
import { runCommand } from './run-command.ts';

const hasCode = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof EngineError && error.code === code && message.test(error.message);

test('input goes in, output comes out, the environment is not inherited', async () => {
  process.env['DVM_TEST_SECRET'] = 'x';
  const result = await runCommand('sh', ['-c', 'cat; echo "${DVM_TEST_SECRET:-none}"; echo warned >&2'], {
    input: 'in ',
  });
  delete process.env['DVM_TEST_SECRET'];
  assert.equal(result.stdout.toString(), 'in none\n');
  assert.equal(result.stderr, 'warned\n');
});

test('another exit code is an error with the last words, unless it was accepted', async () => {
  await assert.rejects(
    runCommand('sh', ['-c', 'echo why >&2; exit 3']),
    hasCode('internal', /exit code 3: why/),
  );
  assert.equal((await runCommand('sh', ['-c', 'exit 3'], { acceptedExitCodes: [0, 3] })).exitCode, 3);
});

test('a missing program, a flood and a hang each end with their own code', async () => {
  await assert.rejects(runCommand('/no/such/program', []), hasCode('not_found', /no such program/));
  await assert.rejects(
    runCommand('cat', ['/dev/zero'], { maxOutputBytes: 1000 }),
    hasCode('resource_exhausted', /1000 bytes/),
  );
  await assert.rejects(runCommand('sleep', ['60'], { timeoutMs: 50 }), hasCode('deadline_exceeded', /50 ms/));
});

test('the caller may give up', async () => {
  const controller = new AbortController();
  const running = runCommand('sleep', ['60'], { signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
});
