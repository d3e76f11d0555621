/** A command on a terminal of its own (`script`, of bsdutils), for tests of what only a terminal does. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import assert from 'node:assert/strict';

export interface PseudoTerminal extends AsyncDisposable {
  /** Waits until the output since the last call matches; consumes it up to the match's end. */
  expect(pattern: RegExp): Promise<RegExpExecArray>;
  type(text: string): void;
  resize(rows: number, columns: number): Promise<void>;
  readonly exitCode: Promise<number>;
}

export async function onTerminal(
  command: readonly string[],
  size: { readonly rows: number; readonly columns: number },
): Promise<PseudoTerminal> {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const shell = `stty rows ${size.rows} cols ${size.columns}; tty; exec ${quoted}`;
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', shell, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, SHELL: '/bin/sh', TERM: 'xterm' },
    timeout: 120_000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  let ended = false;
  const changed = new EventTarget();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    changed.dispatchEvent(new Event('change'));
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  child.stdout.once('close', () => {
    ended = true;
    changed.dispatchEvent(new Event('change'));
  });

  async function expect(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(output);
      if (match) {
        output = output.slice(match.index + match[0].length);
        return match;
      }
      assert.ok(
        !ended,
        `the command ended without ${String(pattern)}; its output: ${JSON.stringify(output)}`,
      );
      await once(changed, 'change');
    }
  }

  const device = (await expect(/(\/dev\/pts\/\d+)\r?\n/))[1] ?? '';
  return {
    expect,
    type: (text) => void child.stdin.write(text),
    async resize(rows, columns) {
      await promisify(execFile)('stty', ['-F', device, 'rows', `${rows}`, 'cols', `${columns}`]);
    },
    exitCode: exited.then(([code]) => code ?? -1),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
