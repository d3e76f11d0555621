/** Images of real software, from a real registry, run and used as their users would. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from './daemon-fixture.ts';
import { DvmCommand } from './dvm-command.ts';
import { startRegistry } from './registry.ts';
import { testImage, type TestImage } from './test-images.ts';

void test('real images', { timeout: 600_000 }, async (t) => {
  await using daemon = await startDaemon();
  await using registry = await startRegistry();
  const dvm = new DvmCommand(daemon.socket);

  async function pull(name: TestImage): Promise<{ reference: string; said: string }> {
    const reference = await registry.push(await testImage(name), `tests/${name}:1.0`);
    const { code, stdout, stderr } = await dvm.try(['pull', reference]);
    assert.equal(code, 0, stderr);
    return { reference, said: stdout + stderr };
  }

  await t.test('debian: its package tools work', async () => {
    const { reference } = await pull('debian');
    assert.match(await dvm.run(['run', '--rm', reference, 'cat', '/etc/os-release']), /bookworm/);
    assert.match(
      await dvm.run(['run', '--rm', reference, 'dpkg', '-s', 'bash']),
      /Status: install ok installed/,
    );
    assert.match(await dvm.run(['run', '--rm', reference, 'apt-cache', 'policy', 'bash']), /Installed: \d/);
    const script = 'set -e; dpkg-query -W | wc -l; useradd eve; su eve -c "id -un"';
    const [packages, user] = (
      await dvm.run(['run', '--rm', '-i', reference, 'bash'], { input: script })
    ).split('\n');
    assert.ok(Number(packages) > 50);
    assert.equal(user, 'eve');
  });

  await t.test('an image on the same base does not fetch it again', async () => {
    const { said } = await pull('nginx');
    assert.match(said, /Already exists/);
    const layers = (image: string) =>
      dvm.run(['inspect', '--format', '{{json .RootFS.Layers}}', `${registry.address}/tests/${image}:1.0`]);
    const [debian, nginx] = [await layers('debian'), await layers('nginx')].map(
      (json) => JSON.parse(json) as string[],
    );
    assert.equal(debian?.length, 1);
    assert.equal(nginx?.length, 2);
    assert.equal(nginx[0], debian[0]);
  });

  await t.test('nginx: a page fetched inside, the access log, a graceful stop', async () => {
    await dvm.run(['run', '-d', '--name', 'web', `${registry.address}/tests/nginx:1.0`]);
    const fetchPage =
      'until exec 3<>/dev/tcp/127.0.0.1/80; do sleep 0.1; done 2>/dev/null; printf "GET /index.nginx-debian.html HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3';
    const page = await dvm.run(['exec', 'web', 'bash', '-c', fetchPage]);
    assert.match(page, /^HTTP\/1\.1 200 OK/);
    assert.match(page, /Welcome to nginx/);
    assert.match(await dvm.run(['logs', 'web']), /"GET \/index\.nginx-debian\.html HTTP\/1\.0" 200/);
    assert.match(await dvm.run(['top', 'web']), /nginx: worker process/);
    await dvm.run(['stop', 'web']);
    assert.equal(
      await dvm.run(['wait', 'web']),
      '0\n',
      'SIGQUIT, the stop signal of the image, ends nginx gracefully',
    );
    await dvm.run(['rm', 'web']);
  });

  await t.test('redis: its own benchmark, its user and directory, data across stop and start', async () => {
    const { reference } = await pull('redis');
    await dvm.run(['run', '-d', '--name', 'cache', reference]);
    const ready = [
      'exec',
      'cache',
      'bash',
      '-c',
      'until redis-cli ping 2>/dev/null | grep PONG; do sleep 0.1; done',
    ];
    assert.equal(await dvm.run(ready), 'PONG\n');
    assert.equal(await dvm.run(['exec', 'cache', 'sh', '-c', 'id -un; pwd']), 'redis\n/data\n');
    const figures = await dvm.run([
      'exec',
      'cache',
      'redis-benchmark',
      '-q',
      '-n',
      '2000',
      '-c',
      '20',
      '-t',
      'set,lpush',
    ]);
    assert.match(figures, /SET: [\d.]+ requests per second/);
    assert.match(figures, /LPUSH: [\d.]+ requests per second/);
    assert.equal(await dvm.run(['exec', 'cache', 'redis-cli', 'llen', 'mylist']), '2000\n');
    await dvm.run(['restart', 'cache']);
    assert.equal(await dvm.run(ready), 'PONG\n');
    assert.equal(await dvm.run(['exec', 'cache', 'redis-cli', 'llen', 'mylist']), '2000\n');
    await dvm.run(['rm', '-f', 'cache']);
  });

  await t.test(
    'PostgreSQL: SQL through exec, from arguments and from standard input, data across restart',
    async () => {
      const { reference } = await pull('postgres');
      await dvm.run(['run', '-d', '--name', 'db', '--shm-size', '128m', reference]);
      const ready = ['exec', 'db', 'bash', '-c', 'until pg_isready -q -h 127.0.0.1; do sleep 0.2; done'];
      await dvm.run(ready);
      const psql = ['psql', '-h', '127.0.0.1', '-U', 'postgres', '-At', '-v', 'ON_ERROR_STOP=1'];
      const sql =
        'create table numbers (n bigint primary key, name text);\n' +
        "insert into numbers select i, 'number ' || i from generate_series(1, 5000) i;\n" +
        'select count(*), sum(n) from numbers;\n';
      assert.match(await dvm.run(['exec', '-i', 'db', ...psql], { input: sql }), /^5000\|12502500$/m);
      await dvm.run(['restart', 'db']);
      await dvm.run(ready);
      const asked = await dvm.run(['exec', 'db', ...psql, '-c', 'select name from numbers where n = 4711']);
      assert.equal(asked, 'number 4711\n');
      const wrong = await dvm.try(['exec', 'db', ...psql, '-c', 'select nonsense']);
      assert.equal(wrong.code, 1);
      assert.match(wrong.stderr, /column "nonsense" does not exist/);
      await dvm.run(['rm', '-f', 'db']);
    },
  );

  await t.test('Python: a program over standard input, its output, error output and exit code', async () => {
    const { reference } = await pull('python');
    const input =
      'import json, sys, hashlib, threading, tempfile, subprocess\n' +
      'threads = [threading.Thread(target=lambda: hashlib.sha256(bytes(10**6)).hexdigest()) for _ in range(4)]\n' +
      '[t.start() for t in threads]; [t.join() for t in threads]\n' +
      'f = tempfile.NamedTemporaryFile(); f.write(b"x" * 100000); f.flush()\n' +
      'print(json.dumps({"size": int(subprocess.check_output(["stat", "-c", "%s", f.name])), "v": sys.version_info[:2]}))\n' +
      'print("to stderr", file=sys.stderr); sys.exit(7)\n';
    const { code, stdout, stderr } = await dvm.try(['run', '-i', '--rm', reference, 'python3', '-'], {
      input,
    });
    assert.equal(code, 7, stderr);
    assert.deepEqual(JSON.parse(stdout), { size: 100000, v: [3, 11] });
    assert.equal(stderr, 'to stderr\n');
  });

  await t.test('Node: a program over standard input', async () => {
    const { reference } = await pull('node');
    const input =
      "const { createHash } = require('node:crypto'); const net = require('node:net');" +
      'const server = net.createServer((s) => s.end("over tcp")).listen(0, "127.0.0.1", () => {' +
      ' net.connect(server.address().port, "127.0.0.1").on("data", (d) => { console.log(String(d), createHash("sha1").update("abc").digest("hex")); server.close(); }); });';
    assert.equal(
      await dvm.run(['run', '-i', '--rm', reference, 'node', '-'], { input }),
      'over tcp a9993e364706816aba3e25717850c26c9cd0d89d\n',
    );
  });

  await t.test('removing the images leaves no layer behind', async () => {
    const ids = (await dvm.run(['images', '-q', '--no-trunc'])).split('\n').filter((id) => id !== '');
    assert.equal(ids.length, 6);
    await dvm.run(['rmi', ...ids]);
    assert.equal(await dvm.run(['images', '-q']), '');
  });
});
