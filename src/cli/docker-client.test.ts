/** Our client against recordings of docker's own (28.2): the same words must ask the same of the daemon and print the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { caseEnvironment, cases } from './fixtures/cases.ts';
import { essence } from './fixtures/essence.ts';
import type { Recording, RequestEssence } from './fixtures/essence.ts';
import { runProgram } from './program.ts';
import { CapturedOutput } from './testing/captured-output.ts';
import { startRecordedDaemon } from './testing/recorded-daemon.ts';

process.env['TZ'] = 'UTC';
process.chdir(join(import.meta.dirname, 'fixtures'));
const recordings = JSON.parse(readFileSync('docker-client.json', 'utf8')) as readonly Recording[];

/** Docker's client asks more than it needs to know: what the daemon is, and whether an exec's container exists. */
function compared(requests: readonly RequestEssence[], words: readonly string[]): readonly RequestEssence[] {
  const verb = words[0] ?? '';
  const looks = ['exec', 'attach', 'ps', 'images'].includes(verb) ? /^GET \/containers\/[^/]+\/json$/ : /^$/;
  // It waits for the end of a container that it does not stay with.
  const stays = !words.includes('-d');
  return requests
    .filter(({ request }) => stays || !request.endsWith('/wait'))
    .filter(({ request }) => !request.endsWith('/_ping') && request !== 'GET /info' && !looks.test(request))
    .map(ofEitherClient)
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** Where the two say the same differently. */
function ofEitherClient({ request, query, body }: RequestEssence): RequestEssence {
  const asked: Readonly<Record<string, unknown>> = { ...query, quiet: undefined };
  const { detachKeys, condition, since, ...rest } = asked;
  const common = {
    ...rest,
    ...(typeof since === 'string' && { since: since.replace(/\.0+$/, '') }),
    ...(detachKeys !== undefined && detachKeys !== 'ctrl-p,ctrl-q' && { detachKeys }), // the default, spelled out
    ...(condition !== undefined && condition !== 'not-running' && { condition }),
  };
  // The one calls a container by its ID where the other uses the name it was given; the daemon takes both.
  const named = request.replace('/containers/web/', `/containers/${'c'.repeat(64)}/`);
  return { request: named, query: common, body: request.endsWith('/exec') ? withoutDetach(body) : body };
}

/** Docker's client repeats in an exec's creation what only its start heeds. */
function withoutDetach(body: unknown): unknown {
  return { ...(body as object), Detach: undefined };
}

/** "2 years ago" is another thing next year. */
function timeless(text: string): string {
  const unescaped = text.replace(/\\u003c/g, '<').replace(/\\u003e/g, '>'); // as Go writes JSON
  const masked = unescaped.replace(/\b\d+ (?:years|months|weeks|days) ago\b/g, 'some time ago');
  return masked === unescaped ? unescaped : masked.replace(/ +/g, ' ');
}

test('there is a recording of every case', () => {
  assert.deepEqual(
    recordings.map(({ words }) => words),
    cases,
  );
});

for (const recording of recordings) {
  test(`dvm ${recording.words.join(' ')}`, async () => {
    await using daemon = await startRecordedDaemon();
    await using config = await mkdtempDisposable(join(tmpdir(), 'dvm-config-'));
    const out = new CapturedOutput();
    const err = new CapturedOutput();
    const env = { ...caseEnvironment, DOCKER_CONFIG: config.path };
    const words = ['--socket', daemon.socketPath, ...recording.words];
    const exitCode = await runProgram({ words, env, out, err });
    const asked = compared(daemon.requests.map(essence), recording.words);
    if (asked.length > 0 || recording.exitCode === 0)
      assert.deepEqual(asked, compared(recording.requests, recording.words));
    assert.equal(timeless(out.text), timeless(recording.stdout));
    if (recording.exitCode === 0) assert.equal(timeless(err.text), timeless(recording.stderr));
    else assert.equal(err.text === '', recording.stderr === '');
    assert.equal(exitCode, recording.exitCode);
  });
}
