/** The fake agent's end of the guest channel: sync blocks, sessions, frames; cut wherever a test wants it. */
import { Duplex } from 'node:stream';
import { encodeAgentFrame, encodeSync, FrameReader, SyncHunter } from '../guest-protocol/frames.ts';
import { decodeHostMessage, generation } from '../guest-protocol/generated.ts';
import type { AgentMessage, HostMessage } from '../guest-protocol/generated.ts';

/** Where a connection breaks, in bytes of each direction. */
export interface Cut {
  readonly toHostBytes?: number;
  readonly toAgentBytes?: number;
}

export interface FakeChannelUser {
  /** A new session: says hello. */
  greet(): void;
  receive(id: number, message: HostMessage): void;
  /** The channel takes more again. */
  pump(): void;
}

export class FakeAgentChannel {
  readonly #user: FakeChannelUser;
  #channel: Duplex | undefined;
  #session = 0;
  #hunter: SyncHunter | undefined = hunterForHost();
  #frames: FrameReader | undefined;
  /** The last bytes before the current chunk: a sync block may have begun in them. */
  #recent: Buffer = Buffer.alloc(0);
  #toHostLeft = Infinity;
  #toAgentLeft = Infinity;
  #blocked = false;

  constructor(user: FakeChannelUser) {
    this.#user = user;
  }

  /** Whether what is sent now would only pile up. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** The host's end of a new connection; the one before it is cut. */
  connect(cut: Cut = {}): Duplex {
    this.disconnect();
    this.#toHostLeft = cut.toHostBytes ?? Infinity;
    this.#toAgentLeft = cut.toAgentBytes ?? Infinity;
    this.#blocked = false;
    const channel: Duplex = new Duplex({
      read: () => {
        if (this.#channel !== channel) return;
        this.#blocked = false;
        this.#user.pump();
      },
      write: (chunk: Buffer, _encoding, done) => {
        setImmediate(() => {
          if (this.#channel === channel) this.#receive(chunk);
          done();
        });
      },
      destroy: (error, done) => {
        if (this.#channel === channel) this.#channel = undefined;
        done(error);
      },
    });
    this.#channel = channel;
    return channel;
  }

  disconnect(): void {
    this.#channel?.destroy();
    this.#channel = undefined;
  }

  #receive(chunk: Buffer): void {
    const bytes = chunk.subarray(0, this.#toAgentLeft);
    this.#toAgentLeft -= bytes.length;
    this.#consume(bytes);
    if (this.#toAgentLeft <= 0) this.disconnect();
  }

  #consume(bytes: Buffer): void {
    const before = this.#recent;
    const known = Buffer.concat([before, bytes.subarray(-64)]);
    this.#recent = Buffer.from(known.subarray(-64));
    if (this.#frames === undefined) {
      this.#hunt(bytes);
      return;
    }
    try {
      for (const frame of this.#frames.push(bytes)) {
        this.#user.receive(frame.id, decodeHostMessage(frame.opcode, frame.payload));
      }
    } catch {
      // Not a frame of this session: a new connection after a break.
      this.#frames = undefined;
      this.#hunter = hunterForHost();
      this.#hunt(Buffer.concat([before, bytes]));
    }
  }

  #hunt(bytes: Buffer): void {
    const found = this.#hunter?.push(bytes);
    if (found === undefined) return;
    this.#hunter = undefined;
    this.#session = found.sync.session;
    this.#frames = new FrameReader(this.#session);
    this.push(encodeSync('agent', { ...found.sync, generation }, false));
    this.#user.greet();
    if (found.rest.length > 0) this.#consume(found.rest);
  }

  /** False: nobody is connected. */
  send(id: number, message: AgentMessage): boolean {
    if (this.#channel === undefined || this.#frames === undefined) return false;
    return this.push(encodeAgentFrame(this.#session, id, message));
  }

  /** True when it went on its way, also when the channel is full with it. */
  push(bytes: Buffer): boolean {
    const channel = this.#channel;
    if (channel === undefined) return false;
    const part = bytes.subarray(0, this.#toHostLeft);
    this.#toHostLeft -= part.length;
    if (part.length > 0 && !channel.push(part)) this.#blocked = true;
    if (this.#toHostLeft > 0) return true;
    // Later, so that the other end gets what was sent so far.
    this.#channel = undefined;
    setImmediate(() => channel.destroy());
    return part.length === bytes.length;
  }
}

function hunterForHost(): SyncHunter {
  return new SyncHunter('host', () => true);
}
