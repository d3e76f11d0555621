/** The engine's verbs on containers in real microVMs. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { specOf } from '../../src/engine/testing/engine-fixture.ts';
import { EngineHost, live, never } from './engine-host.ts';

let host: EngineHost;
before(async () => {
  host = await EngineHost.open();
});
after(async () => {
  await host[Symbol.asyncDispose]();
});

test('run: output, both streams, exit code, and nothing left after --rm', async () => {
  const { engine } = host;
  const { id } = await engine.create(
    specOf({ cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'], autoRemove: true }),
  );
  const seen = { stdout: '', stderr: '' };
  const { done } = engine.attach(id, live, {
    write: (stream, chunk) => void (seen[stream] += Buffer.from(chunk).toString()),
  });
  const { exit } = engine.wait(id, 'removed', never);
  await engine.start(id, never);
  await done;
  assert.equal((await exit).exitCode, 3);
  assert.deepEqual(seen, { stdout: 'out\n', stderr: 'err\n' });
  assert.throws(() => engine.get(id), { code: 'not_found' });
  await engine.settled();
  assert.deepEqual(await host.leftovers(), []);
});

test('the writable layer lives across stop and start, and its size is known', async () => {
  const { engine } = host;
  const id = await host.sh(
    'cat /kept 2>/dev/null; echo run >> /kept; dd if=/dev/urandom of=/big bs=1M count=8 2>/dev/null',
  );
  await host.exit(id);
  await engine.start(id, never);
  await host.exit(id);
  await engine.settled();
  assert.equal(await host.logs(id), 'run\n');
  assert.ok((await engine.size(id)).writableBytes > 8 << 20);
  await engine.remove(id, { force: false, volumes: false });
});

test('a writable layer that is full is the container’s own trouble', async () => {
  const id = await host.sh('dd if=/dev/zero of=/big bs=1M count=200 2>&1; echo "dd: $?"; echo still here', {
    storageSizeBytes: 64 << 20,
  });
  assert.equal((await host.exit(id)).exitCode, 0);
  const logs = await host.logs(id);
  assert.match(logs, /No space left on device/);
  assert.match(logs, /still here/);
  await host.engine.remove(id, { force: false, volumes: false });
});

test('the container’s own files: hostname, hosts; environment and capabilities by default', async () => {
  const id = await host.sh(
    'cat /etc/hostname; grep web /etc/hosts; echo $PATH $HOSTNAME; grep CapBnd /proc/self/status',
    {
      hostname: 'web',
    },
  );
  await host.exit(id);
  assert.equal(
    await host.logs(id),
    'web\n127.0.0.1\tweb\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin web\nCapBnd:\t00000000a80425fb\n',
  );
  await host.engine.remove(id, { force: false, volumes: false });
});

test('stop, kill, pause and unpause reach the process', async () => {
  const { engine } = host;
  const id = await host.sh("trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done");
  while ((await host.logs(id)) !== 'up\n') await new Promise(setImmediate);
  await engine.pause(id);
  assert.equal(engine.get(id).status, 'paused');
  await engine.unpause(id);
  assert.equal(await engine.stop(id, {}), true);
  assert.equal(engine.get(id).exit?.exitCode, 4);
  assert.equal(await host.logs(id), 'up\nbye\n');
  await engine.start(id, never);
  await engine.pause(id);
  await engine.kill(id, 'KILL');
  assert.equal(engine.get(id).exit?.exitCode, 137);
  await engine.remove(id, { force: false, volumes: false });
});

test('exec: output, exit code, the container’s environment; stdin of the container', async () => {
  const { engine } = host;
  const { id } = await engine.create(
    specOf({ cmd: ['sh', '-c', 'cat; echo done'], env: ['A=1'], openStdin: true, stdinOnce: true }),
  );
  const input = Promise.withResolvers<undefined>();
  engine.attach(id, live, {
    stdin: (async function* () {
      yield Buffer.from('hello ');
      await input.promise;
      yield Buffer.from('world\n');
    })(),
  });
  await engine.start(id, never);
  assert.deepEqual(await host.exec(id, 'echo $A; exit 5'), { output: '1\n', exitCode: 5 });
  input.resolve(undefined);
  assert.equal((await host.exit(id)).exitCode, 0);
  assert.equal(await host.logs(id), 'hello world\ndone\n');
  await engine.remove(id, { force: false, volumes: false });
});

test('a start that fails says why, and is not held against the next one', async () => {
  const { engine } = host;
  const { id } = await engine.create(specOf({ cmd: ['nosuch'] }));
  await assert.rejects(engine.start(id, never), { name: 'StartError', exitCode: 127 });
  const { id: directory } = await engine.create(specOf({ cmd: ['/bin'] }));
  await assert.rejects(engine.start(directory, never), { name: 'StartError', exitCode: 126 });
  assert.equal(engine.get(directory).exit?.exitCode, 126);
  assert.equal(engine.get(id).status, 'created');
});

test('the machine dies: the container has ended, and says why', async () => {
  const { engine } = host;
  const id = await host.sh('sleep 1000');
  process.kill(engine.get(id).pid, 'SIGKILL');
  const exit = await host.exit(id);
  assert.equal(exit.exitCode, 137);
  assert.match(exit.error, /sandbox was lost/);
  await engine.start(id, never);
  assert.deepEqual(await host.exec(id, 'echo alive'), { output: 'alive\n', exitCode: 0 });
  await engine.remove(id, { force: true, volumes: false });
});

test('a daemon that is replaced: what runs goes on, what ended is told', async () => {
  const running = await host.sh(
    'i=0; while [ ! -e /stop ]; do echo $i; i=$((i+1)); sleep 0.02; done; until [ -e /told ]; do sleep 0.02; done; exit 6',
  );
  const ended = await host.sh('echo last words; sleep 0.3; exit 7');
  await host.restart();
  const { engine } = host;
  assert.equal((await host.exit(ended)).exitCode, 7);
  assert.equal(await host.logs(ended), 'last words\n');
  assert.equal(engine.get(running).status, 'running');
  assert.deepEqual(await host.exec(running, 'touch /stop'), { output: '', exitCode: 0 });
  // A process of its own, whose end nobody asks for: the container's end may kill it.
  await host.exec(running, 'touch /told');
  assert.equal((await host.exit(running)).exitCode, 6);
  const lines = (await host.logs(running)).split('\n').slice(0, -1);
  assert.deepEqual(
    lines,
    lines.map((_, number) => String(number)),
  );
  assert.ok(lines.length > 3);
});
