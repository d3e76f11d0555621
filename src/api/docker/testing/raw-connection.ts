/** A bare connection to the API, for what an HTTP client would hide: upgrades, half-closed sides, slow readers. */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export class RawConnection implements Disposable {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake = Promise.withResolvers<undefined>();

  constructor(socketPath: string) {
    this.socket = connect({ path: socketPath, allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#notify();
    });
    this.socket.on('end', () => {
      this.#ended = true;
      this.#notify();
    });
    this.socket.on('error', () => {
      this.#ended = true;
      this.#notify();
    });
  }

  send(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  /** POST with an upgrade, as Docker's client does. */
  upgrade(path: string, body = ''): void {
    this.send(
      `POST ${path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  /** Everything up to the end of the answer's head. */
  async head(): Promise<string> {
    const bytes = await this.#until((received) => {
      const end = received.indexOf('\r\n\r\n');
      return end < 0 ? undefined : end + 4;
    });
    return bytes.toString('latin1');
  }

  async bytes(count: number): Promise<Buffer> {
    return await this.#until((received) => (received.length >= count ? count : undefined));
  }

  /** One frame of a multiplexed stream. */
  async frame(): Promise<{ readonly stream: number; readonly text: string }> {
    const header = await this.bytes(8);
    const payload = await this.bytes(header.readUInt32BE(4));
    return { stream: header[0] ?? -1, text: payload.toString() };
  }

  /** Stops reading what comes, and goes on after `resume`: what comes then is only counted. */
  countBytes(): {
    readonly pause: () => void;
    readonly resume: () => void;
    readonly reached: (count: number) => Promise<string>;
  } {
    const hash = createHash('sha256');
    let bytes = this.#received.length;
    hash.update(this.#received);
    this.socket.removeAllListeners('data');
    this.socket.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      bytes += chunk.length;
      this.#notify();
    });
    return {
      pause: () => this.socket.pause(),
      resume: () => this.socket.resume(),
      reached: async (count) => {
        while (bytes < count && !this.#ended) await this.#wake.promise;
        return `${bytes} ${hash.copy().digest('hex')}`;
      },
    };
  }

  /** What comes until the other side says that no more comes. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) await this.#wake.promise;
    const rest = this.#received;
    this.#received = Buffer.alloc(0);
    return rest;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  async #until(lengthOf: (received: Buffer) => number | undefined): Promise<Buffer> {
    for (;;) {
      const length = lengthOf(this.#received);
      if (length !== undefined) {
        const taken = this.#received.subarray(0, length);
        this.#received = this.#received.subarray(length);
        return taken;
      }
      if (this.#ended) throw new Error(`the connection ended after: ${this.#received.toString('latin1')}`);
      await this.#wake.promise;
    }
  }

  #notify(): void {
    this.#wake.resolve(undefined);
    this.#wake = Promise.withResolvers();
  }
}
