import assert from 'node:assert/strict';
import { chmod, mkdtempDisposable, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../program.ts';
import { CapturedOutput } from '../testing/captured-output.ts';
import { CliProcess } from '../testing/cli-process.ts';
import { FakeDaemon } from '../testing/fake-daemon.ts';
import { credentialsFor } from './credentials.ts';

interface Home extends AsyncDisposable {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly config: () => Promise<unknown>;
}

/** A directory with docker's configuration and a credential helper "played" that keeps its secrets in a file. */
async function makeHome(config?: object): Promise<Home> {
  const directory = await mkdtempDisposable(join(tmpdir(), 'dvm-home-'));
  const file = join(directory.path, 'config.json');
  if (config !== undefined) await writeFile(file, JSON.stringify(config));
  const helper = join(directory.path, 'docker-credential-played');
  await writeFile(
    helper,
    `#!/bin/sh
cd '${directory.path}'
case $1 in
  store) cat > secret ;;
  get) cat > asked; if [ -f secret ]; then cat secret; else echo 'credentials not found in native keychain'; exit 1; fi ;;
  erase) cat > erased; rm -f secret ;;
esac
`,
  );
  await chmod(helper, 0o755);
  const path = `${directory.path}${delimiter}${process.env['PATH'] ?? ''}`;
  return {
    path: directory.path,
    env: { DOCKER_CONFIG: directory.path, PATH: path },
    config: async () => JSON.parse(await readFile(file, 'utf8')) as unknown,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function dvm(home: Home, daemon: FakeDaemon, ...words: readonly string[]) {
  const out = new CapturedOutput();
  const err = new CapturedOutput();
  const code = await runProgram({
    words: ['--socket', daemon.socketPath, ...words],
    env: home.env,
    out,
    err,
  });
  return { code, out: out.text, err: err.text };
}

const accepting = { 'POST /auth': () => ({ body: { Status: 'Login Succeeded', IdentityToken: '' } }) };

test('what the file says of a registry, however it was written there', async () => {
  const auth = Buffer.from('me:pass:word').toString('base64');
  await using home = await makeHome({
    auths: {
      'ghcr.io': { auth },
      'https://old.example/v2/': { auth },
      'https://index.docker.io/v1/': { auth },
      'token.example': { auth, identitytoken: 'it' },
      'empty.example': {},
      'plain.example': { username: 'u', password: 'p' },
    },
  });
  const known = (domain: string) => credentialsFor(domain, home.env);
  const me = { username: 'me', password: 'pass:word' };
  assert.deepEqual(await known('ghcr.io'), { ...me, serveraddress: 'ghcr.io' });
  assert.deepEqual(await known('old.example'), { ...me, serveraddress: 'old.example' });
  assert.deepEqual(await known('docker.io'), { ...me, serveraddress: 'https://index.docker.io/v1/' });
  assert.deepEqual(await known('token.example'), {
    ...me,
    serveraddress: 'token.example',
    identitytoken: 'it',
  });
  assert.deepEqual(await known('plain.example'), {
    username: 'u',
    password: 'p',
    serveraddress: 'plain.example',
  });
  assert.equal(await known('empty.example'), undefined);
  assert.equal(await known('other.example'), undefined);
});

test('login keeps what the daemon accepted, beside everything else in the file, for its owner only', async () => {
  await using home = await makeHome({ psFormat: '{{.ID}}', auths: { 'other.example': { auth: 'eDp5' } } });
  await using daemon = await FakeDaemon.start(accepting);
  const login = await dvm(home, daemon, 'login', '-u', 'me', '-p', 'secret', 'https://reg.example:5000/');
  assert.equal(login.code, 0);
  assert.match(login.out, /Login Succeeded\n$/);
  assert.match(login.err, /Using --password via the CLI is insecure[^]*stored unencrypted/);
  assert.deepEqual(JSON.parse(daemon.requests[0]?.body.toString() ?? ''), {
    username: 'me',
    password: 'secret',
    serveraddress: 'reg.example:5000',
  });
  const auth = Buffer.from('me:secret').toString('base64');
  assert.deepEqual(await home.config(), {
    psFormat: '{{.ID}}',
    auths: { 'other.example': { auth: 'eDp5' }, 'reg.example:5000': { auth } },
  });
  assert.equal((await stat(join(home.path, 'config.json'))).mode & 0o777, 0o600);
  assert.equal((await dvm(home, daemon, 'logout', 'reg.example:5000')).code, 0);
  assert.deepEqual(await home.config(), {
    psFormat: '{{.ID}}',
    auths: { 'other.example': { auth: 'eDp5' } },
  });
  assert.match(
    (await dvm(home, daemon, 'logout', 'reg.example:5000')).out,
    /Not logged in to reg.example:5000/,
  );
});

test('a login that is refused leaves no trace', async () => {
  await using home = await makeHome();
  await using daemon = await FakeDaemon.start({
    'POST /auth': () => ({ status: 401, body: { message: 'incorrect username or password' } }),
  });
  const login = await dvm(home, daemon, 'login', '-u', 'me', '-p', 'wrong', 'reg.example');
  assert.equal(login.code, 1);
  assert.match(login.err, /Error response from daemon: incorrect username or password/);
  await assert.rejects(home.config(), /ENOENT/);
});

test('a helper keeps the secret, and is asked for it when something is pulled', async () => {
  await using home = await makeHome({ credHelpers: { 'reg.example': 'played' } });
  await using daemon = await FakeDaemon.start({
    ...accepting,
    'POST /images/create': () => ({ body: '{"status":"ok"}\n' }),
  });
  await dvm(home, daemon, 'pull', '-q', 'reg.example/app');
  assert.equal(daemon.requests.at(-1)?.headers['x-registry-auth'], undefined);
  assert.equal(await readFile(join(home.path, 'asked'), 'utf8'), 'reg.example');
  assert.equal((await dvm(home, daemon, 'login', '-u', 'me', '-p', 's', 'reg.example')).code, 0);
  const kept = { ServerURL: 'reg.example', Username: 'me', Secret: 's' };
  assert.deepEqual(JSON.parse(await readFile(join(home.path, 'secret'), 'utf8')), kept);
  assert.deepEqual(await home.config(), {
    credHelpers: { 'reg.example': 'played' },
    auths: { 'reg.example': {} },
  });
  await dvm(home, daemon, 'pull', '-q', 'reg.example/app:v1');
  const header = daemon.requests.at(-1)?.headers['x-registry-auth'] ?? '';
  const sent: unknown = JSON.parse(Buffer.from(header, 'base64url').toString());
  assert.deepEqual(sent, { username: 'me', password: 's', serveraddress: 'reg.example' });
  assert.equal((await dvm(home, daemon, 'logout', 'reg.example')).code, 0);
  assert.equal(await readFile(join(home.path, 'erased'), 'utf8'), 'reg.example');
});

test('a helper that is not there is named', async () => {
  await using home = await makeHome({ credsStore: 'missing' });
  await using daemon = await FakeDaemon.start();
  const pull = await dvm(home, daemon, 'pull', 'reg.example/app');
  assert.equal(pull.code, 1);
  assert.match(pull.err, /cannot run the credential helper docker-credential-missing/);
  assert.deepEqual(daemon.asked(), []);
});

test('a password comes from stdin, and nobody is asked without a terminal', async () => {
  await using home = await makeHome();
  await using daemon = await FakeDaemon.start(accepting);
  const words = ['--socket', daemon.socketPath, 'login', '-u', 'me'];
  await using piped = new CliProcess([...words, '--password-stdin', 'reg.example'], home.env);
  piped.child.stdin?.end('from a pipe\n');
  assert.equal(await piped.code(), 0);
  const sent = JSON.parse(daemon.requests[0]?.body.toString() ?? '') as { readonly password: string };
  assert.equal(sent.password, 'from a pipe');
  await using asked = new CliProcess([...words, 'reg.example'], home.env);
  asked.child.stdin?.end();
  assert.equal(await asked.code(), 1);
  assert.match(asked.stderr, /cannot perform an interactive login from a non TTY device/);
});

test('a file that is not JSON is named', async () => {
  await using home = await makeHome();
  await writeFile(join(home.path, 'config.json'), '{');
  await using daemon = await FakeDaemon.start();
  const pull = await dvm(home, daemon, 'pull', 'busybox');
  assert.equal(pull.code, 1);
  assert.match(pull.err, /config\.json is not JSON: correct or remove it/);
});
