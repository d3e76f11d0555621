/** Starts a container with this process's streams on it and waits for its end: the heart of `run` and of `start -a`. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerWaitResponse } from '../../client/api-types.ts';
import type { DaemonClient, HijackedStream } from '../../client/daemon-client.ts';
import { parseDetachKeys } from '../terminal/detach-keys.ts';
import { openStandardInput } from '../terminal/standard-input.ts';
import type { TextOutput } from '../terminal/text-output.ts';
import { ExitError } from '../exit-error.ts';
import { followTerminalSize } from './follow-terminal-size.ts';
import { runSession } from './stream-session.ts';
import type { SessionEnd } from './stream-session.ts';

/** How long the removal of a container that could not be started is waited for. */
const removalMs = 10_000;

export interface AttachedRun {
  readonly client: DaemonClient;
  readonly id: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** It ends only when it is removed. */
  readonly autoRemove: boolean;
  readonly detachKeys: string;
  readonly out: TextOutput;
  readonly err: TextOutput;
  /** Told when the process runs. */
  readonly onStarted?: () => void;
}

/** The process's exit code; 0 when the user detached from it. Throws ApiError when it cannot be started. */
export async function runAttached(run: AttachedRun): Promise<number> {
  const { client, id } = run;
  const path = `/containers/${encodeURIComponent(id)}`;
  // Both are registered when their heads are here, so neither a byte nor the exit can be missed. `start` is the third trip.
  const [stream, waiting] = await Promise.all([
    attachStream(client, id, run),
    client.call('POST', `${path}/wait`, { query: { condition: run.autoRemove ? 'removed' : 'next-exit' } }),
  ]);
  const input = run.stdin ? openStandardInput() : undefined;
  const session = runSession(stream, { ...run, input, detachKeys: parseDetachKeys(run.detachKeys) });
  session.catch(() => undefined); // told below; a start that fails comes first
  try {
    await client.send('POST', `${path}/start`);
  } catch (error) {
    stream.socket.destroy();
    await session.catch(() => undefined);
    // So that nothing of it is left when this command ends.
    if (run.autoRemove)
      await Promise.race([drain(waiting.body), delay(removalMs, undefined, { ref: false })]);
    throw error;
  }
  run.onStarted?.();
  using listening = new DisposableStack();
  if (run.tty) listening.use(followTerminalSize(client, `${path}/resize`, run.err));
  const end: SessionEnd = await session;
  if (end === 'detached') return 0;
  return exitCodeOf(await drain(waiting.body));
}

export interface AttachStreamOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly detachKeys: string;
}

export function attachStream(
  client: DaemonClient,
  id: string,
  streams: AttachStreamOptions,
): Promise<HijackedStream> {
  const query = {
    stream: true,
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    detachKeys: streams.detachKeys,
  };
  return client.hijack('POST', `/containers/${encodeURIComponent(id)}/attach`, { query });
}

/** The answer to `wait`, as the exit code of whoever waited. */
export function exitCodeOf(body: string): number {
  const answer = JSON.parse(body) as ContainerWaitResponse;
  const failure = answer.Error?.Message;
  if (failure !== undefined && failure !== '')
    throw new ExitError(125, `Error waiting for container: ${failure}`);
  return answer.StatusCode;
}

export async function drain(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
