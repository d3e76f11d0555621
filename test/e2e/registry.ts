/** A real registry (Debian's docker-registry) on a loopback port of its own, filled by a real client (skopeo). */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What `startRegistry({ password: true })` accepts. The line is `htpasswd -B` of it, with few rounds. */
export const registryUser = { username: 'tester', password: 'secret' };
const htpasswdLine = 'tester:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n';

export interface Registry extends AsyncDisposable {
  /** host:port */
  readonly address: string;
  /** Pushes what skopeo calls `source` (oci:DIR:TAG, docker-archive:FILE) and returns the reference to pull. */
  push(source: string, name: string): Promise<string>;
}

export async function startRegistry(options: { readonly password?: boolean } = {}): Promise<Registry> {
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'dvm-registry-'));
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  const password = options.password ?? false;
  await writeFile(join(directory, 'htpasswd'), htpasswdLine);
  await writeFile(join(directory, 'config.json'), registryConfig(directory, password));

  const child = spawn('docker-registry', ['serve', join(directory, 'config.json')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const gone = once(child, 'exit');
  undo.defer(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const address = await listeningAddress(child.stderr);

  const resources = undo.move();
  return {
    address,
    async push(source, name) {
      const reference = `${address}/${name}`;
      await run('skopeo', [
        'copy',
        '--dest-tls-verify=false',
        ...(password ? ['--dest-creds', `${registryUser.username}:${registryUser.password}`] : []),
        source,
        `docker://${reference}`,
      ]);
      return reference;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** The registry reads YAML, of which JSON is a part. Port 0: the kernel picks a free one. */
function registryConfig(directory: string, password: boolean): string {
  return JSON.stringify({
    version: '0.1',
    log: { accesslog: { disabled: true }, level: 'info' },
    storage: { filesystem: { rootdirectory: join(directory, 'storage') } },
    http: { addr: '127.0.0.1:0' },
    ...(password && { auth: { htpasswd: { realm: 'tests', path: join(directory, 'htpasswd') } } }),
  });
}

/** The registry says where it listens; the rest of what it says is read and dropped, so that it never blocks. */
function listeningAddress(stderr: NodeJS.ReadableStream): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const said: string[] = [];
  const lines = createInterface({ input: stderr });
  lines.on('line', (line) => {
    said.push(line);
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (address !== undefined) resolve(address);
  });
  lines.on('close', () => reject(new Error(`docker-registry ended:\n${said.join('\n')}`)));
  return promise;
}
