/** Moves bytes between this process's standard streams and a process in a container, until one of them is done. */
import type { Socket } from 'node:net';
import type { HijackedStream } from '../../client/daemon-client.ts';
import { FrameDecoder } from '../../client/stream-frames.ts';
import { DetachDetector } from '../terminal/detach-keys.ts';
import type { StandardInput } from '../terminal/standard-input.ts';
import type { TextOutput } from '../terminal/text-output.ts';

export interface SessionOptions {
  /** The process has a terminal: its output is one raw stream, and what is typed is looked through for `detachKeys`. */
  readonly tty: boolean;
  /** Undefined: stdin is not attached. The session closes it. */
  readonly input: StandardInput | undefined;
  readonly out: TextOutput;
  readonly err: TextOutput;
  readonly detachKeys: Buffer;
}

export type SessionEnd = 'ended' | 'detached';

/** Resolves when the daemon closed the stream and all output was written, or when the detach keys were typed. */
export async function runSession(stream: HijackedStream, options: SessionOptions): Promise<SessionEnd> {
  try {
    if (options.tty && options.input?.isTerminal === true) await options.input.setRaw();
    const output = copyOutput(stream, options).then((): SessionEnd => 'ended');
    const input = copyInput(stream.socket, options);
    return await Promise.race([output, input.then((end) => end ?? output)]);
  } finally {
    options.input?.close();
    stream.socket.destroy();
  }
}

async function copyOutput(stream: HijackedStream, { tty, out, err }: SessionOptions): Promise<void> {
  const decoder = new FrameDecoder();
  for (let chunk = await stream.bytes.next(); chunk !== undefined; chunk = await stream.bytes.next()) {
    if (tty) {
      await out.write(chunk);
      continue;
    }
    for (const piece of decoder.decode(chunk))
      await (piece.stream === 'stderr' ? err : out).write(piece.data);
  }
  decoder.end();
}

/** Undefined: the input is at its end, and the output may go on. */
async function copyInput(
  socket: Socket,
  { tty, input, detachKeys }: SessionOptions,
): Promise<SessionEnd | undefined> {
  const detector = tty ? new DetachDetector(detachKeys) : undefined;
  if (input !== undefined) {
    for await (const chunk of input.chunks()) {
      const { pass, detached } = detector?.feed(chunk) ?? { pass: chunk, detached: false };
      if (!(await send(socket, pass))) return undefined;
      if (detached) return 'detached';
    }
  }
  if (socket.writable) socket.end(); // the other direction stays open
  return undefined;
}

/** False: the process no longer reads. Its output says the rest. */
async function send(socket: Socket, bytes: Buffer): Promise<boolean> {
  if (!socket.writable) return false;
  if (bytes.length === 0 || socket.write(bytes)) return true;
  await drainedOrClosed(socket);
  return socket.writable;
}

function drainedOrClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
