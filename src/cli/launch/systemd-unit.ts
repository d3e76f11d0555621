/** The installed unit: `systemctl start dvm`. */
import { spawn } from 'node:child_process';
import type { Endpoint } from '../../client/endpoint.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { waitForSocket } from './wait-for-socket.ts';

const deadlineMs = 60_000;

export async function startSystemdUnit({ socketPath }: Endpoint): Promise<void> {
  const child = spawn('systemctl', ['start', 'dvm'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)));
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve(exitCode ?? 1));
  });
  if (code !== 0) {
    const hint = 'look at "systemctl status dvm" and "journalctl -u dvm"; starting it needs root';
    throw new EngineError(
      'unavailable',
      `systemctl could not start the DVM daemon: ${complaint.trim()} (${hint})`,
    );
  }
  using waiting = waitForSocket(socketPath, deadlineMs);
  await waiting.answered;
}
