/** Who gets which credentials: Basic, tokens, helpers, redirects, TLS, and the real docker-registry. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { RegistryCredentials } from '../../src/engine/ports/images.ts';
import type { OpenImageStore } from '../../src/image/image-store.ts';
import { HttpClient } from '../../src/image/registry/http-client.ts';
import { dockerArchive, registryImage, tarOf } from '../e2e/crafted-image.ts';
import { registryUser, startRegistry } from '../e2e/registry.ts';
import { FakeRegistry, sendError } from './image-fake-registry.ts';
import { bulkyImage, failure, layerDigests, openStore, patience } from './image-store-fixture.ts';

const run = promisify(execFile);
const image = registryImage({ layers: [tarOf([{ name: 'hello', content: 'hello\n' }])] });
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

function pull(store: OpenImageStore, reference: string, credentials?: RegistryCredentials) {
  return store.pull({ reference, ...(credentials && { credentials }) }, () => undefined, patience());
}

/** Asks for `wanted` on everything, with this challenge. */
function demand(registry: FakeRegistry, challenge: string, wanted: () => string): void {
  registry.intercept = (request, response) => {
    if (request.headers.authorization === wanted()) return false;
    sendError(response, 401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
    return true;
  };
}

test('basic: sent only when asked for; without and with wrong ones, a clear refusal', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  registry.addImage('x', 'v', image);
  demand(registry, 'Basic realm="tests"', () => basic('u', 'p:with:colons'));
  const reference = `${registry.address}/x:v`;
  await assert.rejects(pull(fixture.store, reference), failure('not_found', /may require 'docker login'/));
  await assert.rejects(
    pull(fixture.store, reference, { username: 'u', password: 'wrong' }),
    failure('unauthenticated', /incorrect username or password/),
  );
  registry.requests.length = 0;
  await pull(fixture.store, reference, { username: 'u', password: 'p:with:colons' });
  assert.equal(registry.requests[0]?.authorization, undefined);
  assert.equal(registry.requests.filter(({ authorization }) => authorization === undefined).length, 1);
});

interface TokenRequest {
  readonly method: string;
  readonly parameters: URLSearchParams;
  readonly authorization: string | undefined;
}

/** The registry wants tokens, each good for so many requests. Returns what its token service was asked. */
function issueTokens(registry: FakeRegistry, uses: number): readonly TokenRequest[] {
  const asked: TokenRequest[] = [];
  let left = 0;
  registry.addImage('x', 'v', image);
  registry.intercept = (request, response) => {
    const url = new URL(request.url ?? '', 'http://registry');
    if (url.pathname === '/token') {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const parameters = request.method === 'POST' ? new URLSearchParams(body) : url.searchParams;
        asked.push({
          method: request.method ?? '',
          parameters,
          authorization: request.headers.authorization,
        });
        left = uses;
        response.end(JSON.stringify({ access_token: `token-${asked.length}`, expires_in: 300 }));
      });
      return true;
    }
    if (request.headers.authorization === `Bearer token-${asked.length}` && left-- > 0) return false;
    const challenge = `Bearer realm="http://${registry.address}/token",service="the registry",scope="repository:x:pull"`;
    sendError(response, 401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
    return true;
  };
  return asked;
}

test('bearer: one token for the whole pull, anonymous or with the credentials', async () => {
  await using registry = await FakeRegistry.start();
  const asked = issueTokens(registry, 100);
  await using fixture = await openStore();
  await pull(fixture.store, `${registry.address}/x:v`);
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.parameters.get('service'), 'the registry');
  assert.equal(asked[0].parameters.get('scope'), 'repository:x:pull');
  assert.equal(asked[0].authorization, undefined);
  await pull(fixture.store, `${registry.address}/x:v`, { username: 'u', password: 'p' });
  assert.equal(asked[1]?.authorization, basic('u', 'p'));
  assert.equal(asked[1].parameters.get('account'), 'u');
  await pull(fixture.store, `${registry.address}/x:v`, { identityToken: 'refresh-me' });
  assert.equal(asked[2]?.method, 'POST');
  assert.equal(asked[2].parameters.get('grant_type'), 'refresh_token');
  assert.equal(asked[2].parameters.get('refresh_token'), 'refresh-me');
  assert.equal(asked.length, 3);
});

test('bearer: a token that ends in the middle of a pull is replaced', async () => {
  await using registry = await FakeRegistry.start();
  const asked = issueTokens(registry, 1);
  await using fixture = await openStore();
  await pull(fixture.store, `${registry.address}/x:v`);
  assert.equal(asked.length, 3, 'manifest, config and layer each had to ask');
});

test('a token service that refuses, or that the registry names over an open line', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  registry.intercept = (request, response) => {
    const isToken = request.url?.startsWith('/token') === true;
    sendError(
      response,
      401,
      'UNAUTHORIZED',
      'no',
      isToken ? {} : { 'www-authenticate': `Bearer realm="http://${registry.address}/token"` },
    );
    return true;
  };
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x`, { username: 'u', password: 'p' }),
    failure('unauthenticated', /incorrect username or password/),
  );
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x`),
    failure('unauthenticated', /log in first/),
  );
});

test('a registry token is used as it is', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await openStore();
  registry.addImage('x', 'v', image);
  demand(registry, 'Bearer realm="http://127.0.0.1:1/never"', () => 'Bearer given');
  await pull(fixture.store, `${registry.address}/x:v`, { registryToken: 'given' });
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x:v`, { registryToken: 'other' }),
    failure('unauthenticated'),
  );
});

test('a redirect to another host does not carry the credentials', async () => {
  await using registry = await FakeRegistry.start();
  await using elsewhere = await FakeRegistry.start();
  await using fixture = await openStore();
  const bulky = bulkyImage(1, 100_000);
  const [digest = ''] = layerDigests(bulky);
  registry.addImage('x', 'v', bulky);
  elsewhere.addBlob(digest, bulky.blobs.get(digest) ?? Buffer.alloc(0));
  registry.intercept = (request, response) => {
    if (request.headers.authorization !== basic('u', 'p'))
      sendError(response, 401, 'UNAUTHORIZED', 'no', { 'www-authenticate': 'Basic realm="x"' });
    else if (request.url?.endsWith(digest) === true)
      response.writeHead(307, { location: `http://${elsewhere.address}/v2/cdn/blobs/${digest}` }).end();
    else return false;
    return true;
  };
  await pull(fixture.store, `${registry.address}/x:v`, { username: 'u', password: 'p' });
  assert.deepEqual(
    elsewhere.requests.map(({ authorization }) => authorization),
    [undefined],
  );

  await fixture.store.remove(`${registry.address}/x:v`, { force: true, prune: true, inUse: () => undefined });
  registry.intercept = (_request, response) => {
    response.writeHead(302, { location: `http://${registry.address}/v2/again` }).end();
    return true;
  };
  await assert.rejects(
    pull(fixture.store, `${registry.address}/x:v`),
    failure('unavailable', /redirects more than 10 times/),
  );
});

test('~/.docker/config.json: stored logins, helpers, and a store of helpers', async () => {
  await using registry = await FakeRegistry.start();
  const home = await mkdtemp(join(tmpdir(), 'dvm-docker-config-'));
  const dockerConfigPath = join(home, 'config.json');
  const environment = {
    PATH: `${home}:${process.env['PATH'] ?? ''}`,
    ANSWER: '{"Username":"u","Secret":"p"}',
  };
  try {
    const helper = join(home, 'docker-credential-test');
    await writeFile(
      helper,
      `#!/bin/sh\nread server; echo "$1 $server" >> ${home}/asked\n[ -n "$ANSWER" ] && echo "$ANSWER" || { echo "credentials not found in native keychain"; exit 1; }\n`,
    );
    await chmod(helper, 0o755);
    registry.addImage('x', 'v', image);
    demand(registry, 'Basic realm="tests"', () => basic('u', 'p'));
    const attempt = async (config: object, env: NodeJS.ProcessEnv = environment) => {
      await writeFile(dockerConfigPath, JSON.stringify(config));
      await using fixture = await openStore({ dockerConfigPath, environment: env });
      return await pull(fixture.store, `${registry.address}/x:v`);
    };
    const auth = Buffer.from('u:p').toString('base64');
    await attempt({ auths: { [registry.address]: { auth } } });
    await attempt({ auths: { [`https://${registry.address}/v1/`]: { username: 'u', password: 'p' } } });
    await attempt({ credHelpers: { [registry.address]: 'test' } });
    await attempt({ credsStore: 'test', auths: {} });
    assert.equal(await readFile(join(home, 'asked'), 'utf8'), `get ${registry.address}\n`.repeat(2));
    // A store that has none does not hide what the file has.
    await attempt(
      { credsStore: 'test', auths: { [registry.address]: { auth } } },
      { ...environment, ANSWER: '' },
    );
    await assert.rejects(
      attempt({ credsStore: 'missing' }),
      failure('not_found', /docker-credential-missing/),
    );
    await assert.rejects(
      attempt({ credsStore: '../../bin/sh' }),
      failure('invalid_argument', /not a program's name/),
    );
    await assert.rejects(
      attempt({ auths: { [registry.address]: { auth: 'bm9jb2xvbg==' } } }),
      failure('invalid_argument', /user:password/),
    );
  } finally {
    await rm(home, { recursive: true });
  }
});

test('TLS: an unknown certificate is refused, except on loopback; encrypted stays encrypted', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-tls-'));
  try {
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=registry.test',
      '-keyout',
      join(directory, 'key'),
      '-out',
      join(directory, 'cert'),
    ]);
    await using registry = await FakeRegistry.start({
      key: await readFile(join(directory, 'key')),
      cert: await readFile(join(directory, 'cert')),
    });
    registry.addImage('x', 'v', image);
    using client = new HttpClient({}, { responseMs: 5000, idleMs: 5000 });
    const url = new URL(`https://${registry.address}/v2/`);
    await assert.rejects(
      client.send({ url, headers: {} }, patience()),
      failure('unavailable', /not trusted/, /insecure/),
    );
    await using fixture = await openStore();
    await pull(fixture.store, `${registry.address}/x:v`);

    await using plain = await FakeRegistry.start();
    await assert.rejects(
      client.send({ url: new URL(`https://${plain.address}/v2/`), headers: {} }, patience()),
      failure('unavailable', /plain HTTP.*insecure registries/),
    );
    // What began encrypted does not go on over an open line.
    registry.intercept = (_request, response) => {
      response.writeHead(307, { location: `http://${plain.address}/` }).end();
      return true;
    };
    await assert.rejects(
      client.send({ url, headers: {}, skipTlsVerify: true }, patience()),
      failure('unavailable', /not encrypted/),
    );
    assert.equal(plain.requests.length, 0);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('the real docker-registry with a password, filled by skopeo', async () => {
  await using registry = await startRegistry({ password: true });
  await using fixture = await openStore();
  const archive = join(fixture.directory, 'archive.tar');
  await writeFile(
    archive,
    dockerArchive(
      { layers: [tarOf([{ name: 'hello', content: 'hello\n' }]), tarOf([{ name: '.wh.hello' }])] },
      'made:1',
    ),
  );
  const reference = await registry.push(`docker-archive:${archive}`, 'private/made:1');
  await rm(archive);
  await assert.rejects(pull(fixture.store, reference), failure('not_found', /docker login/));
  await assert.rejects(
    pull(fixture.store, reference, { username: registryUser.username, password: 'no' }),
    failure('unauthenticated'),
  );
  const [pulled] = await pull(fixture.store, reference, registryUser);
  assert.equal(pulled?.diffIds.length, 2);
});
