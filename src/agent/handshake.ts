/** Finds the agent at the other end of a channel and agrees on a session with it (see protocol/definition.ts). */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { protocolError } from '../guest-protocol/bytes.ts';
import { encodeSync, FrameReader, sessionFrom, SyncHunter } from '../guest-protocol/frames.ts';
import type { Frame } from '../guest-protocol/frames.ts';
import { decodeAgentMessage, generation } from '../guest-protocol/generated.ts';
import type { HelloMessage } from '../guest-protocol/generated.ts';
import { reasonOf } from '../system/deadline.ts';

export interface Handshake {
  readonly session: number;
  readonly hello: HelloMessage;
  readonly frames: FrameReader;
  /** What came behind `hello` already. The channel is paused. */
  readonly rest: readonly Frame[];
}

/** What an agent may still have on its way from an earlier connection, generously; more is a guest that floods us. */
const mostSkippedBytes = 64 << 20;

/** Destroys the channel when it fails. Rejects with `unavailable`, `failed_precondition` or the signal's reason. */
export async function handshake(
  channel: Duplex,
  options: { readonly fresh: boolean; readonly signal: AbortSignal },
): Promise<Handshake> {
  const { promise, resolve, reject } = Promise.withResolvers<Handshake>();
  const attempt = new Attempt();
  const onData = (chunk: Buffer) => {
    try {
      const done = attempt.push(chunk);
      if (done === undefined) return;
      channel.pause();
      resolve(done);
    } catch (error) {
      reject(error);
    }
  };
  const onClose = () =>
    reject(new EngineError('unavailable', 'guest channel: closed before the agent answered'));
  const onAbort = () => reject(reasonOf(options.signal));
  channel.on('data', onData);
  channel.on('end', onClose);
  channel.on('close', onClose);
  // Stays for good: between here and the connection an error must find a listener. 'close' follows it.
  channel.on('error', (error) => {
    reject(new EngineError('unavailable', `guest channel: ${messageOf(error)}`, { cause: error }));
  });
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    options.signal.throwIfAborted();
    if (channel.destroyed) onClose();
    else channel.write(encodeSync('host', attempt.sync, !options.fresh));
    return await promise;
  } catch (error) {
    channel.destroy();
    throw error;
  } finally {
    channel.off('data', onData);
    channel.off('end', onClose);
    channel.off('close', onClose);
    options.signal.removeEventListener('abort', onAbort);
  }
}

class Attempt {
  readonly sync = {
    session: sessionFrom(randomBytes(4)),
    generation,
    nonce: randomBytes(8).readBigUInt64LE(),
  };
  readonly #hunter = new SyncHunter('agent', (sync) => sync.nonce === this.sync.nonce);
  readonly #frames = new FrameReader(this.sync.session);
  #synced = false;
  #skipped = 0;

  /** Undefined: not there yet. */
  push(chunk: Buffer): Handshake | undefined {
    if (this.#synced) return this.#read(chunk);
    const found = this.#hunter.push(chunk);
    if (found === undefined) {
      this.#skipped += chunk.length;
      if (this.#skipped > mostSkippedBytes) throw protocolError(`no answer in ${this.#skipped} bytes`);
      return undefined;
    }
    if (found.sync.generation !== generation) {
      throw new EngineError(
        'failed_precondition',
        `the guest's agent speaks generation ${found.sync.generation} of the protocol, this daemon ${generation}: ` +
          'restart the container with the current guest image',
      );
    }
    if (found.sync.session !== this.sync.session) throw protocolError('it answered with another session');
    this.#synced = true;
    return this.#read(found.rest);
  }

  #read(bytes: Buffer): Handshake | undefined {
    const [first, ...rest] = this.#frames.push(bytes);
    if (first === undefined) return undefined;
    const hello = decodeAgentMessage(first.opcode, first.payload);
    if (hello.type !== 'hello') throw protocolError(`it began with ${hello.type} instead of hello`);
    return { session: this.sync.session, hello, frames: this.#frames, rest };
  }
}
