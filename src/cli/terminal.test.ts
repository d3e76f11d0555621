/** A client on a real terminal: raw while the process runs, sized as the window is, and given back on every way out. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { FakeDaemon } from './testing/fake-daemon.ts';
import type { SeenRequest } from './testing/fake-daemon.ts';

const id = '1'.repeat(64);
const program = `'${process.execPath}' '${join(import.meta.dirname, 'main.ts')}'`;

/** A shell on a pseudo terminal of 30 rows and 100 columns: what it shows is collected. */
class Terminal implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  shown = '';

  constructor(line: string) {
    const script = `stty rows 30 cols 100; echo "tty=$(tty)"; ${line}; echo "code=$?"; stty -a; echo "done="`;
    const env = { PATH: process.env['PATH'], SHELL: '/bin/sh', HOME: '/nonexistent', TERM: 'xterm' };
    this.#child = spawn('script', ['-qec', script, '/dev/null'], { env });
    this.#child.stdout.on('data', (chunk: Buffer) => (this.shown += chunk.toString()));
    this.#child.stdin.on('error', () => undefined); // keys after the end
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.shown);
      if (found !== null) return found;
      await once(this.#child.stdout, 'data');
    }
  }

  /** The terminal's device, for those who look at it from outside. */
  async device(): Promise<string> {
    return (await this.shows(/tty=(\S+)/))[1] ?? '';
  }

  /** The code that the shell saw, once the terminal's modes were shown after it. */
  async ended(): Promise<{ readonly code: number; readonly modes: string }> {
    const [, code = '', modes = ''] = await this.shows(/code=(\d+)\r?\n([^]*)done=/);
    return { code: Number(code), modes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

interface PlayedTerminal extends AsyncDisposable {
  readonly daemon: FakeDaemon;
  readonly socket: Promise<Duplex>;
  readonly request: Promise<SeenRequest>;
  readonly resized: (query: string) => Promise<void>;
  end(code: number): Promise<void>;
}

/** A container with a terminal whose other end the test holds. */
async function play(): Promise<PlayedTerminal> {
  const socket = Promise.withResolvers<Duplex>();
  const request = Promise.withResolvers<SeenRequest>();
  const ended = Promise.withResolvers<number>();
  const sizes: string[] = [];
  const waiting: (() => void)[] = [];
  const daemon = await FakeDaemon.start(
    {
      'POST /containers/create': () => ({ status: 201, body: { Id: id, Warnings: [] } }),
      'POST /containers/*/start': () => ({}),
      'POST /containers/*/kill': () => ({}),
      'POST /containers/*/wait': () => ({
        stream: async (response) => void response.end(JSON.stringify({ StatusCode: await ended.promise })),
      }),
      'POST /containers/*/resize': ({ query }) => {
        sizes.push(`${query['h']?.[0] ?? ''}x${query['w']?.[0] ?? ''}`);
        for (const told of waiting.splice(0)) told();
        return { status: 200, body: '' };
      },
      'GET /containers/*/json': () => ({
        body: { Id: id, Config: { Tty: true, OpenStdin: true }, State: { Running: true }, HostConfig: {} },
      }),
    },
    {
      'POST /containers/*/attach': (connection, asked) => {
        request.resolve(asked);
        socket.resolve(connection);
      },
    },
  );
  return {
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    daemon,
    socket: socket.promise,
    request: request.promise,
    resized: async (size) => {
      while (!sizes.includes(size)) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    end: async (code) => {
      (await socket.promise).end();
      ended.resolve(code);
    },
  };
}

function assertUsable(modes: string): void {
  const words = modes.split(/\s+/);
  for (const mode of ['icanon', 'isig', 'echo', 'opost', 'icrnl'])
    assert.ok(words.includes(mode), `${mode} in ${modes}`);
}

function modesOf(device: string): string {
  return execFileSync('stty', ['-F', device, '-a']).toString();
}

test('keys go to the process as they are typed, and its output is not translated', async () => {
  await using played = await play();
  await using terminal = new Terminal(`${program} --socket ${played.daemon.socketPath} run -it busybox sh`);
  const socket = await played.socket;
  socket.write('prompt\n$ ');
  await terminal.shows(/prompt\n\$ /); // no carriage return was added
  const modes = modesOf(await terminal.device());
  for (const mode of ['-icanon', '-isig', '-echo', '-opost', '-ixon'])
    assert.ok(modes.includes(mode), `${mode} in ${modes}`);
  terminal.type('a\x03\x1a\r');
  let typed = '';
  while (typed.length < 4) typed += ((await once(socket, 'data')) as [Buffer])[0].toString();
  assert.equal(typed, 'a\x03\x1a\r');
  await played.end(5);
  const { code, modes: after } = await terminal.ended();
  assert.equal(code, 5);
  assertUsable(after);
});

test('the size goes along with create, again after start, and with every change', async () => {
  await using played = await play();
  await using terminal = new Terminal(`${program} --socket ${played.daemon.socketPath} run -it busybox sh`);
  await played.resized('30x100');
  const created = played.daemon.requests.find(({ path }) => path === '/containers/create');
  const body = JSON.parse(created?.body.toString() ?? '') as {
    readonly HostConfig: { readonly ConsoleSize: unknown };
  };
  assert.deepEqual(body.HostConfig.ConsoleSize, [30, 100]);
  execFileSync('stty', ['-F', await terminal.device(), 'rows', '50', 'cols', '132']);
  await played.resized('50x132');
  await played.end(0);
  assert.equal((await terminal.ended()).code, 0);
});

test('the detach keys give the terminal back and leave the container', async () => {
  await using played = await play();
  await using terminal = new Terminal(`${program} --socket ${played.daemon.socketPath} run -it busybox sh`);
  const socket = await played.socket;
  socket.write('ready');
  await terminal.shows(/ready/);
  let typed = '';
  socket.on('data', (chunk: Buffer) => (typed += chunk.toString()));
  const closed = once(socket, 'end');
  terminal.type('x\x10y\x10\x11z');
  const { code, modes } = await terminal.ended();
  assert.equal(code, 0);
  assert.match(modes, / icanon/);
  await closed;
  assert.equal(typed, 'x\x10y');
  assert.ok(!played.daemon.asked().some((line) => line.includes('/kill') || line.startsWith('DELETE')));
});

test('attach on a terminal makes the program draw itself anew, and other detach keys work', async () => {
  await using played = await play();
  const words = `attach --detach-keys ctrl-x,q web`;
  await using terminal = new Terminal(`${program} --socket ${played.daemon.socketPath} ${words}`);
  const { query } = await played.request;
  assert.equal(query['detachKeys']?.[0], 'ctrl-x,q');
  await played.resized('31x101');
  await played.resized('30x100');
  terminal.type('\x18q');
  assert.equal((await terminal.ended()).code, 0);
});

test('a client that is killed by a signal leaves a usable terminal', async () => {
  await using played = await play();
  const line = `${program} --socket ${played.daemon.socketPath} run -it --sig-proxy=false busybox sh`;
  await using terminal = new Terminal(`sh -c 'echo pid=$$; exec "$0" "$@"' ${line}`);
  (await played.socket).write('ready');
  await terminal.shows(/ready/);
  const [, pid = ''] = await terminal.shows(/pid=(\d+)/);
  assert.ok(modesOf(await terminal.device()).includes('-icanon'));
  process.kill(Number(pid), 'SIGTERM');
  const { code, modes } = await terminal.ended();
  assert.equal(code, 143);
  assertUsable(modes);
});

test('an error at start leaves a usable terminal and its text on it', async () => {
  await using played = await play();
  played.daemon.on({
    'POST /containers/*/start': () => ({ status: 500, body: { message: 'no microVM today' } }),
  });
  await using terminal = new Terminal(`${program} --socket ${played.daemon.socketPath} run -it busybox sh`);
  const { code, modes } = await terminal.ended();
  assert.equal(code, 125);
  assert.match(terminal.shown, /Error response from daemon: no microVM today\r\n/);
  assertUsable(modes);
});

test('a pull draws a line per layer in place', async () => {
  await using daemon = await FakeDaemon.start({
    'POST /images/create': () => ({
      body: [
        { status: 'Pulling from library/busybox', id: 'latest' },
        { status: 'Pulling fs layer', id: 'aaaaaaaaaaaa' },
        { status: 'Pulling fs layer', id: 'bbbbbbbbbbbb' },
        { status: 'Downloading', id: 'aaaaaaaaaaaa', progressDetail: { current: 500_000, total: 1_000_000 } },
        { status: 'Pull complete', id: 'bbbbbbbbbbbb' },
      ]
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    }),
  });
  await using terminal = new Terminal(`${program} --socket ${daemon.socketPath} pull busybox`);
  assert.equal((await terminal.ended()).code, 0);
  assert.match(terminal.shown, /\x1b\[2A\x1b\[2K\raaaaaaaaaaaa: Downloading 500kB\/1MB/);
  assert.match(terminal.shown, /\x1b\[1A\x1b\[2K\rbbbbbbbbbbbb: Pull complete/);
});

test('an exec with a terminal is sized by its own routes and returns its exit code', async () => {
  await using daemon = await FakeDaemon.start(
    {
      'POST /containers/*/exec': () => ({ status: 201, body: { Id: 'e1' } }),
      'POST /exec/*/resize': () => ({ status: 200, body: '' }),
      'GET /exec/*/json': () => ({ body: { ExitCode: 3 } }),
    },
    {
      'POST /exec/*/start': async (socket, { body }) => {
        assert.deepEqual(JSON.parse(body.toString()), { Detach: false, Tty: true, ConsoleSize: [30, 100] });
        const [typed] = (await once(socket, 'data')) as [Buffer];
        socket.end(`got ${JSON.stringify(typed.toString())}`);
      },
    },
  );
  await using terminal = new Terminal(`${program} --socket ${daemon.socketPath} exec -it web sh`);
  terminal.type('q');
  assert.equal((await terminal.ended()).code, 3);
  assert.match(terminal.shown, /got "q"/);
  assert.ok(daemon.asked().includes('POST /exec/e1/resize'));
});
