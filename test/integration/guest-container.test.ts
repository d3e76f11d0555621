/** What a container finds around it, and what it cannot reach: the agent in a microVM, without the daemon. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { containerSpec, GuestError, processSpec } from './guest-client.ts';
import { files, type Guest, startGuest } from './guest-fixture.ts';

const every = 0xffff_ffff_ffff_ffffn;
const allCapabilities = { bounding: every, effective: every, permitted: every, inheritable: 0n, ambient: 0n };

async function refusal(promise: Promise<unknown>): Promise<GuestError['reply']> {
  try {
    await promise;
  } catch (thrown) {
    if (thrown instanceof GuestError) return thrown.reply;
    throw thrown;
  }
  throw new Error('it was not refused');
}

describe('a container', () => {
  let guest: Guest;
  before(async () => {
    guest = await startGuest();
    await guest.upper('upper');
  });
  after(async () => await guest[Symbol.asyncDispose]());

  it('has Docker’s devices, masked paths and read-only paths', async () => {
    const { stdout, stderr, code } = await guest.run(
      `ls /dev; cat /proc/keys /proc/timer_list /proc/interrupts; touch /proc/sys/kernel/x /sys/x /proc/sys/vm/y;
       for d in null zero full random urandom tty ptmx; do test -c /dev/$d || echo no $d; done; head -c 3 /dev/zero | wc -c`,
    );
    assert.equal(
      stdout.trim().split(/\s+/).join(' '),
      'fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 3',
    );
    assert.equal(stderr.match(/Read-only file system|No such file/g)?.length, 3, stderr);
    assert.equal(code, 0);
  });

  it('is PID 1 of its own and sees no other process', async () => {
    assert.match((await guest.run('echo $$; ls /proc | grep -c "^[0-9]"')).stdout, /^1\n[123]\n$/);
  });

  it('uses no device beyond the list, though it may make its node', async () => {
    const { stdout, stderr } = await guest.run(
      'mknod /tmp/sda b 8 0 && echo made; cat /tmp/sda >/dev/null; mknod /tmp/kmsg c 1 11; head -c1 /tmp/kmsg; mknod /tmp/null c 1 3; echo x > /tmp/null && echo used',
    );
    assert.equal(stdout, 'made\nused\n');
    assert.equal(stderr.match(/Operation not permitted/g)?.length, 2, stderr);
  });

  it('shares network and host name with its pod, or has a host name of its own', async () => {
    assert.equal((await guest.run('hostname; ls /sys/class/net')).stdout, 'pod\neth0\nlo\n');
    assert.equal((await guest.run('hostname', {}, { hostname: 'web' })).stdout, 'web\n');
    assert.equal((await guest.run('hostname')).stdout, 'pod\n');
  });

  it('reaches itself on the loopback interface', async () => {
    const { stdout } = await guest.run(
      '(echo hello | nc -l -p 5000 &) ; while ! nc 127.0.0.1 5000 </dev/null; do :; done',
    );
    assert.equal(stdout, 'hello\n');
  });

  it('is told the pod’s machine id when the image has none, and not when it has one', async () => {
    assert.equal((await guest.run('cat /etc/machine-id')).stdout, '0123456789abcdef0123456789abcdef\n');
    await guest.layer('own-id', { 'etc/machine-id': 'mine\n', 'bin/x': '' }, true);
    assert.equal(
      (await guest.run('cat /etc/machine-id', {}, { layers: [{ serial: 'own-id' }] })).stdout,
      'mine\n',
    );
  });

  it('has the user, groups and home of the image', async () => {
    const of = async (user: string, additionalGroups: string[] = []): Promise<string> =>
      (await guest.run('echo $(id -u):$(id -g):$(id -G):$HOME', { user, additionalGroups })).stdout.trim();
    assert.equal(await of(''), '0:0:0 4:/root');
    assert.equal(await of('web'), '33:34:34 4:/srv/web');
    assert.equal(await of('web:extra'), '33:77:77:/srv/web');
    assert.equal(await of('33'), '33:34:34 4:/srv/web');
    assert.equal(await of('1234'), '1234:0:0:/');
    assert.equal(await of('1234:5678', ['extra', '99']), '1234:5678:5678 77 99:/');
    assert.equal((await refusal(guest.run('true', { user: 'nobody-here' }))).code, 'userNotFound');
    assert.match(
      (await refusal(guest.run('true', { user: 'web:nope' }))).message,
      /unable to find group nope/,
    );
  });

  it('gives its user the standard streams, capabilities and limits it was told', async () => {
    const { stdout } = await guest.run(
      'echo hi > /dev/stdout; grep -E "Cap(Eff|Bnd)|NoNew" /proc/self/status; ulimit -n; cat /proc/self/oom_score_adj',
      {
        user: 'web',
        noNewPrivileges: true,
        oomScoreAdj: 500,
        rlimits: [{ resource: 7, soft: 100n, hard: 200n }],
        capabilities: { bounding: 0x400n, effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n },
      },
    );
    assert.equal(
      stdout,
      'hi\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000400\nNoNewPrivs:\t1\n100\n500\n',
    );
  });

  it('keeps ambient capabilities across the change of user', async () => {
    const sets = {
      bounding: 0x400n,
      effective: 0x400n,
      permitted: 0x400n,
      inheritable: 0x400n,
      ambient: 0x400n,
    };
    const { stdout } = await guest.run('grep CapEff /proc/self/status', { user: 'web', capabilities: sets });
    assert.equal(stdout, 'CapEff:\t0000000000000400\n');
  });

  it('writes to its own disk, which keeps what was written', async () => {
    const disk = { upper: 'upper', layers: [{ serial: 'busybox' }] };
    assert.equal(
      (await guest.run('echo kept > /root/file; rm /etc/group; mv /etc /etc2; ls /etc2', {}, disk)).code,
      0,
    );
    assert.equal(
      (await guest.run('cat /root/file; ls /etc2; stat -c %d / /bin/sh /root/file | uniq | wc -l', {}, disk))
        .stdout,
      'kept\nmachine-id\npasswd\n1\n',
    );
  });

  it('finds a full disk full', async () => {
    await guest.upper('small', 8);
    const { stdout, stderr } = await guest.run(
      'dd if=/dev/zero of=/big bs=1M count=20; echo $?',
      {},
      { upper: 'small' },
    );
    assert.match(stderr, /No space left/);
    assert.equal(stdout, '1\n');
  });

  it('stacks layers, the first on top, with whiteouts', async () => {
    await guest.layer('top', { 'etc/motd': 'top\n', 'opt/tool': '#!/bin/sh\necho tool\n' }, false);
    await guest.layer('middle', { 'etc/motd': 'middle\n', 'etc/middle': 'm\n' }, false);
    const layers = ['top', 'middle', 'busybox'].map((serial) => ({ serial }));
    const { stdout } = await guest.run('cat /etc/motd /etc/middle; /opt/tool; id -un', {}, { layers });
    assert.equal(stdout, 'top\nm\ntool\nroot\n');
  });

  it('has a read-only root with injected files and mounts over it', async () => {
    const { stdout, stderr, code } = await guest.run(
      'cat /etc/hosts; touch /x; echo w > /run/w && cat /run/w; touch /etc/hosts && stat -c "%a %u:%g" /etc/hosts; df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2',
      {},
      {
        readonlyRoot: true,
        shmSize: 1n << 20n,
        files: [
          {
            path: '/etc/hosts',
            mode: 0o640,
            uid: 5,
            gid: 6,
            overlaid: true,
            content: Buffer.from('127.0.0.1 me\n'),
          },
        ],
        mounts: [{ type: 'tmpfs', source: '', target: '/run', flags: 0n, options: 'size=1m,mode=1777' }],
      },
    );
    assert.equal(stdout, '127.0.0.1 me\nw\n640 5:6\n1024\n');
    assert.match(stderr, /touch: \/x: Read-only file system/);
    assert.equal(code, 0);
  });

  it('runs from a single layer without an overlay when that has all it needs', async () => {
    await guest.layer('whole', { ...files, 'proc/': '', 'sys/': '', 'dev/': '' });
    const { stdout } = await guest.run(
      'mount | grep " / "',
      {},
      { layers: [{ serial: 'whole' }], readonlyRoot: true },
    );
    assert.match(stdout, /on \/ type erofs \(ro/);
  });

  it('gets plain files in place of whatever the image had there', async () => {
    await guest.layer('odd', { 'etc/link': '-> /etc/target', 'etc/target': 'untouched\n' }, false);
    const { stdout } = await guest.run(
      'cat /etc/link /etc/target /new/dir/file; stat -c %F /etc/link',
      {},
      {
        layers: [{ serial: 'odd' }, { serial: 'busybox' }],
        files: ['/etc/link', '/new/dir/file'].map((path) => ({
          path,
          mode: 0o644,
          uid: 0,
          gid: 0,
          overlaid: false,
          content: Buffer.from('new\n'),
        })),
      },
    );
    assert.equal(stdout, 'new\nuntouched\nnew\nregular file\n');
  });

  it('sets sysctls of the pod’s namespaces', async () => {
    const { stdout } = await guest.run(
      'cat /proc/sys/net/core/somaxconn',
      {},
      { sysctls: [{ key: 'net.core.somaxconn', value: '777' }] },
    );
    assert.equal(stdout, '777\n');
    assert.equal(
      (await refusal(guest.run('true', {}, { sysctls: [{ key: 'no.such', value: '1' }] }))).code,
      'invalid',
    );
  });

  it('makes a missing working directory, in a container’s first process only', async () => {
    const started = await guest.start(['sh', '-c', 'pwd; sleep 100'], { cwd: '/made/for/me' });
    assert.equal((await guest.exec(started.container, 'pwd', { cwd: '/made' })).stdout, '/made\n');
    const exec = refusal(guest.exec(started.container, 'true', { cwd: '/missing' }));
    assert.equal((await exec).code, 'workdirNotUsable');
    await guest.remove(started.container, started.process);
    assert.equal((await refusal(guest.run('true', { cwd: '/bin/sh' }))).code, 'workdirNotUsable');
  });

  it('says as Docker does why a command cannot run', async () => {
    await guest.layer(
      'commands',
      { 'opt/plain': 'no program', 'opt/script': '#!/no/such/interpreter\n', 'opt/dir/': '' },
      false,
    );
    const layers = [{ serial: 'commands' }, { serial: 'busybox' }];
    const fail = async (command: string, env?: string[]) =>
      await refusal(guest.start([command], env ? { env } : {}, { layers }));
    assert.deepEqual(await fail('nope'), {
      type: 'error',
      code: 'commandNotFound',
      errno: 0,
      message: 'exec: "nope": executable file not found in $PATH',
    });
    assert.equal((await fail('/nope')).message, 'exec: "/nope": stat /nope: No such file or directory');
    assert.equal((await fail('/opt/plain')).message, 'exec: "/opt/plain": permission denied');
    assert.equal((await fail('/opt/plain')).code, 'commandNotExecutable');
    assert.equal((await fail('/opt/dir')).message, 'exec: "/opt/dir": is a directory');
    assert.equal((await fail('/opt/script')).code, 'commandNotFound');
    assert.equal((await fail('plain', ['PATH=/opt'])).message, 'exec: "plain": permission denied');
    assert.equal((await fail('dir', ['PATH=/opt'])).code, 'commandNotFound');
  });

  it('is privileged in its own machine when asked', async () => {
    const { stdout } = await guest.run(
      'test -b /dev/sda && echo disk; mount -t tmpfs x /tmp && echo mounted; echo 1 > /proc/sys/vm/overcommit_memory && echo set; ls /dev | grep -c vport',
      { capabilities: allCapabilities },
      { privilege: 'privileged' },
    );
    assert.equal(stdout, 'disk\nmounted\nset\n0\n');
  });

  it('runs under a reaping init that forwards signals and its exit code', async () => {
    assert.equal((await guest.run('echo $$; exit 7', {}, { init: true })).code, 7);
    const started = await guest.start(
      ['sh', '-c', 'trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.05; done'],
      {},
      { init: true },
    );
    const record = guest.client.process(started.process);
    await guest.client.until(() => record.output.stdout.includes('ready'));
    await guest.client.request({
      type: 'signal',
      container: started.container,
      process: started.process,
      signal: 15,
      all: false,
    });
    await guest.client.drained(started.process);
    assert.deepEqual([record.exit?.exitCode, record.output.stdout.toString()], [9, 'ready\ngot\n']);
    await guest.remove(started.container, started.process);
    assert.equal((await refusal(guest.start(['nope'], {}, { init: true }))).code, 'commandNotFound');
  });

  it('shares its processes with the pod’s others when asked, and leaves none behind', async () => {
    const one = await guest.start(['sleep', '1000'], {}, { sharePid: true });
    const two = await guest.start(['sh', '-c', 'sleep 1001 & exec sleep 1002'], {}, { sharePid: true });
    assert.match((await guest.exec(two.container, 'ps')).stdout, /sleep 1000\n(.*\n)*.*sleep 100[12]\n/);
    await guest.remove(two.container, two.process);
    assert.doesNotMatch((await guest.exec(one.container, 'ps')).stdout, /sleep 100[12]\n/);
    await guest.remove(one.container, one.process);
  });

  it('refuses handles and names that are taken, unknown or unsound', async () => {
    const { container, process } = await guest.start(['sleep', '1000']);
    const again = containerSpec(container, processSpec(guest.handle(), ['true']), {
      layers: [{ serial: 'busybox' }],
      upper: '',
    });
    assert.equal(
      (await refusal(guest.client.request({ type: 'startContainer', container: again }))).code,
      'exists',
    );
    const taken = containerSpec(guest.handle(), processSpec(process, ['true']));
    assert.equal(
      (await refusal(guest.client.request({ type: 'startContainer', container: taken }))).code,
      'exists',
    );
    const bad = containerSpec(guest.handle(), processSpec(guest.handle(), ['true']), { id: '../escape' });
    assert.equal(
      (await refusal(guest.client.request({ type: 'startContainer', container: bad }))).code,
      'invalid',
    );
    assert.equal((await refusal(guest.client.request({ type: 'top', container: 99_999 }))).code, 'notFound');
    await guest.remove(container, process);
    await guest.client.request({ type: 'deleteContainer', container });
  });

  it('waits for a disk that is plugged in late, and forgets nothing meanwhile', async () => {
    const image = guest.workspace.erofs('late', { 'etc/late': 'here\n' }, false);
    const content = Buffer.alloc(50_000, 'abcdefghi\n');
    const started = guest.start(
      ['sh', '-c', 'cat /etc/late; sha256sum < /big'],
      {},
      {
        layers: [{ serial: 'late' }, { serial: 'busybox' }],
        files: [{ path: '/big', mode: 0o644, uid: 0, gid: 0, overlaid: true, content }],
      },
    );
    // Traffic in between uses the memory that the request was read into.
    for (let i = 0; i < 5; i++) {
      const noise = {
        path: '/noise',
        mode: 0o644,
        uid: 0,
        gid: 0,
        overlaid: true,
        content: Buffer.alloc(60_000, 'z'),
      };
      await guest.run('true', {}, { files: [noise] });
    }
    await guest.machine.plug({ serial: 'late', path: image, readonly: true });
    const { container, process } = await started;
    const { output } = await guest.client.drained(process);
    assert.equal(
      output.stdout.toString(),
      `here\n${createHash('sha256').update(content).digest('hex')}  -\n`,
    );
    await guest.remove(container, process);
  });

  it('names the disk that does not come', async () => {
    const missing = await refusal(guest.start(['true'], {}, { layers: [{ serial: 'absent' }] }));
    assert.equal(missing.code, 'diskNotFound');
    assert.match(missing.message, /disk absent did not appear/);
  });

  it('refuses a layer that is no EROFS', async () => {
    await guest.upper('not-erofs', 8);
    const refused = await refusal(guest.start(['true'], {}, { layers: [{ serial: 'not-erofs' }] }));
    assert.equal(refused.code, 'mountFailed');
  });
});

describe('an image that means harm', () => {
  let guest: Guest;
  before(async () => (guest = await startGuest()));
  after(async () => await guest[Symbol.asyncDispose]());

  const traps: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'a link at /proc': { proc: '-> /etc' },
    'a link at /dev': { dev: '-> ../../../../dev' },
    'a link at /sys': { sys: '-> /proc/1/root' },
  };
  for (const [what, tree] of Object.entries(traps)) {
    it(`is refused for ${what}`, async () => {
      const serial = `trap-${guest.handle()}`;
      await guest.layer(serial, { ...files, ...tree });
      const refused = await refusal(guest.start(['true'], {}, { layers: [{ serial }] }));
      assert.equal(refused.code, 'mountFailed');
      assert.match(refused.message, /something else than a directory/);
    });
  }

  it('leads nowhere with links for /etc, the working directory and injected files', async () => {
    await guest.layer(
      'links',
      {
        etc: '-> ../../../../../real',
        'real/hosts': '-> ../../../../../../run/hosts',
        work: '-> /../../tmp/w',
        'tmp/': '',
      },
      true,
    );
    const { stdout } = await guest
      .run(
        'pwd; cat /real/hosts /run/hosts /real/plain; ls -d /real',
        { cwd: '/work' },
        {
          layers: [{ serial: 'links' }],
          files: [
            { path: '/etc/hosts', mode: 0o644, uid: 0, gid: 0, overlaid: true, content: Buffer.from('h\n') },
            { path: '/etc/plain', mode: 0o644, uid: 0, gid: 0, overlaid: false, content: Buffer.from('p\n') },
          ],
        },
      )
      .catch((thrown: unknown) => ({ stdout: String(thrown) }));
    assert.match(stdout, /h\nh\np\n\/real\n|workdirNotUsable/);
  });

  it('cannot make the agent wait on a pipe or a device instead of its passwd', async () => {
    await guest.layer('fifo', { 'etc/passwd': '-> /dev/zero', 'etc/group': '-> /proc/self/mem', 'tmp/': '' });
    assert.equal(
      (await guest.run('grep Uid /proc/self/status', { user: '7' }, { layers: [{ serial: 'fifo' }] })).stdout,
      'Uid:\t7\t7\t7\t7\n',
    );
  });

  it('finds no descriptor, file or process of the agent’s', async () => {
    const { stdout } = await guest.run(
      'ls -l /proc/self/fd | grep -c vport; ls / | tr "\\n" " "; cat /proc/1/cmdline | tr "\\0" " "',
    );
    assert.match(stdout, /^0\nbin dev etc proc root sys tmp sh -c/);
  });
});
