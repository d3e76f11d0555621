/**
 * Leaves V8's compiled form of the client beside its bundle. Only functions that have run are in it, so the client is run once,
 * as `dvm run` on a daemon that is played here.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeCachePath, wrapBundle } from '../src/cli/bundle-files.ts';

/** Compiles the bundle, runs it with the arguments, and keeps what was compiled when it ends. */
const runner = `
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const [bundlePath, wrapped, cachePath] = process.argv.splice(1, 3);
process.argv.splice(1, 0, bundlePath);
const script = new Script(readFileSync(wrapped, 'utf8'), { filename: bundlePath });
process.once('exit', () => writeFileSync(cachePath, script.createCachedData()));
const module = { exports: {} };
script.runInThisContext()(require('node:module').createRequire(bundlePath), module.exports, module);
`;

export async function writeCodeCache(bundlePath: string): Promise<void> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'dvm-build-'));
  const socketPath = join(directory.path, 'dvm.sock');
  const wrapped = join(directory.path, 'wrapped.cjs');
  await writeFile(wrapped, wrapBundle(await readFile(bundlePath, 'utf8')));
  await using server = playDaemon();
  server.listen(socketPath);
  await once(server, 'listening');
  const words = ['--socket', socketPath, 'run', '--rm', 'busybox', 'true'];
  const args = ['-e', runner, bundlePath, wrapped, codeCachePath(bundlePath), ...words];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0)
    throw new Error(`the client, run once for its code cache, ended with ${code ?? 'a signal'}`);
}

/** The few answers that one `run` needs. */
function playDaemon(): Server {
  const server = createServer((request, response) => {
    request.resume();
    if (request.url?.includes('/create') === true)
      response.writeHead(201).end('{"Id":"0123456789ab","Warnings":[]}');
    else if (request.url?.includes('/wait') === true) response.writeHead(200).end('{"StatusCode":0}');
    else response.writeHead(204).end();
  });
  server.on('upgrade', (_, socket) => {
    const frame = Buffer.from('\u0001\0\0\0\0\0\0\u0001\n', 'latin1');
    socket.end(
      Buffer.concat([
        Buffer.from('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'),
        frame,
      ]),
    );
  });
  return server;
}
