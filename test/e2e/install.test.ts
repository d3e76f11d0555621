/** What `make install` puts in place runs from there, and `make uninstall` removes all of it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempDisposable, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const scripts = join(import.meta.dirname, '../../scripts');

void test('install and uninstall below DESTDIR', { timeout: 60_000 }, async () => {
  await using directory = await mkdtempDisposable('/var/tmp/dvm-e2e-install-');
  const root = directory.path;
  const run = (script: string) =>
    promisify(execFile)(join(scripts, script), { env: { ...process.env, DESTDIR: root, PREFIX: '/opt/x' } });
  await run('install.sh');
  await run('install.sh'); // over itself

  for (const program of ['dvm', 'dvmd']) {
    const { stdout } = await promisify(execFile)(join(root, 'opt/x/bin', program), ['--version'], {
      cwd: '/',
    });
    assert.match(stdout, /\d+\.\d+\.\d+/);
  }
  const unit = await readFile(join(root, 'opt/x/lib/systemd/system/dvm.service'), 'utf8');
  assert.match(unit, /^ExecStart=\/opt\/x\/bin\/dvmd$/m);
  assert.match(
    await readFile(join(root, 'opt/x/share/bash-completion/completions/dvm'), 'utf8'),
    /complete .*dvm/,
  );

  await run('uninstall.sh');
  const left = await readdir(root, { recursive: true, withFileTypes: true });
  assert.deepEqual(
    left.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name)),
    [],
  );
});
