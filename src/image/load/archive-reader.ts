/**
 * Takes an image archive apart while it streams. A member may come long before the document that says what it is, so it is
 * judged by its first bytes: JSON is kept (within caps), what may be a layer becomes one at once, the rest is passed over.
 */
import { createHash, type Hash } from 'node:crypto';
import { EngineError } from '../../errors/engine-error.ts';
import { shortDigest, sha256Digest, type Digest } from '../../oci/digest.ts';
import type { ImageProgress } from '../../engine/ports/images.ts';
import { detectCompression } from '../layer/decompress.ts';
import { splitLayerPath } from '../layer/layer-path.ts';
import type { LayerLease, LayerStore } from '../store/layer-store.ts';
import { printable, type TarEntry, type TarSink } from '../tar/tar-entry.ts';
import { blockBytes, looksLikeTar } from '../tar/tar-header.ts';
import { ArchiveContents, blobDigest, documentMaxBytes } from './archive-contents.ts';
import { ByteChannel } from './byte-channel.ts';

const depthMax = 16;
const membersMax = 100_000;
const progressIntervalMs = 100;

interface Member {
  readonly path: string;
  readonly size: number;
  /** The first block, until it is decided what the member is. */
  head: Buffer | undefined;
  document: Buffer[] | undefined;
  channel: ByteChannel | undefined;
  /** For what is known already and only has to be verified. */
  hash: Hash | undefined;
  seen: number;
}

export class ArchiveReader implements TarSink {
  readonly contents = new ArchiveContents();
  readonly #layers: LayerStore;
  readonly #lease: LayerLease;
  readonly #report: (progress: ImageProgress) => void;
  readonly #signal: AbortSignal;
  #member: Member | undefined;
  readonly #paths = new Set<string>();
  #members = 0;
  #converting: { readonly channel: ByteChannel; readonly done: Promise<void> } | undefined;
  #failure: EngineError | undefined;
  #lastReportMs = 0;

  constructor(
    layers: LayerStore,
    lease: LayerLease,
    report: (progress: ImageProgress) => void,
    signal: AbortSignal,
  ) {
    this.#layers = layers;
    this.#lease = lease;
    this.#report = report;
    this.#signal = signal;
  }

  entry(entry: TarEntry): void {
    if (++this.#members > membersMax)
      throw new EngineError('resource_exhausted', `archive has more than ${membersMax} members`);
    const path = splitLayerPath(entry.name, depthMax).join('/');
    this.#member = undefined;
    if (entry.type === 'directory') return;
    if (this.#paths.has(path))
      throw new EngineError('invalid_argument', `archive has "${printable(path)}" twice`);
    this.#paths.add(path);
    if (entry.type === 'symlink' || entry.type === 'hardlink') {
      const base = entry.type === 'symlink' ? path.slice(0, path.lastIndexOf('/') + 1) : '';
      this.contents.addLink(path, splitLayerPath(base + entry.linkName, depthMax).join('/'));
    } else if (entry.type === 'file') {
      this.#member = {
        path,
        size: entry.size,
        head: Buffer.alloc(0),
        document: undefined,
        channel: undefined,
        hash: undefined,
        seen: 0,
      };
    }
  }

  data(chunk: Buffer): void {
    const member = this.#member;
    if (member === undefined) return;
    member.seen += chunk.length;
    if (member.head === undefined) {
      this.#pass(member, chunk);
      return;
    }
    member.head = member.head.length === 0 ? chunk : Buffer.concat([member.head, chunk]);
    if (member.head.length >= blockBytes) this.#decide(member);
  }

  zeros(): void {
    throw new EngineError(
      'unimplemented',
      'archive is stored as a sparse file inside another: make it again without --sparse',
    );
  }

  end(): void {
    const member = this.#member;
    this.#member = undefined;
    if (member === undefined) return;
    if (member.head !== undefined) this.#decide(member);
    member.channel?.end();
    if (member.hash !== undefined) this.#finishKnown(member, member.hash);
    if (member.document !== undefined) this.#finishDocument(member, Buffer.concat(member.document));
  }

  /** Waits until what was pushed has been worked on; to be called between chunks. */
  async drained(): Promise<void> {
    const converting = this.#converting;
    if (converting !== undefined) {
      // A member that is over is waited for to its end: one layer at a time.
      await (this.#member?.channel === converting.channel ? converting.channel.taken() : converting.done);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The stream is over, or given up: nothing is being written any more when this resolves. */
  async settle(): Promise<void> {
    this.#member?.channel?.end();
    await this.#converting?.done;
  }

  #decide(member: Member): void {
    const head = member.head ?? Buffer.alloc(0);
    member.head = undefined;
    if (isJson(head)) member.document = [];
    else if (detectCompression(head) !== 'none' || looksLikeTar(head)) this.#beginLayer(member);
    else
      this.contents.addLayer(
        member.path,
        new EngineError(
          'invalid_argument',
          `"${printable(member.path)}" in the archive is no layer: neither a tar nor compressed`,
        ),
      );
    if (head.length > 0) this.#pass(member, head);
  }

  #pass(member: Member, chunk: Buffer): void {
    member.channel?.push(chunk);
    member.hash?.update(chunk);
    if (member.document !== undefined) {
      if (member.size > documentMaxBytes)
        throw new EngineError(
          'resource_exhausted',
          `"${member.path}" in the archive is JSON of more than ${documentMaxBytes} bytes`,
        );
      member.document.push(chunk);
    } else if (member.channel !== undefined) {
      this.#tell(member);
    }
  }

  #tell(member: Member): void {
    const now = performance.now();
    if (now - this.#lastReportMs < progressIntervalMs && member.seen < member.size) return;
    this.#lastReportMs = now;
    this.#report({
      id: shortName(member.path),
      status: 'Loading layer',
      current: member.seen,
      total: member.size,
    });
  }

  #beginLayer(member: Member): void {
    const promised = blobDigest(member.path);
    // `docker save` stores layers uncompressed, under their diff ID: one that is there need only be verified.
    if (promised !== undefined && this.#layers.has(promised)) {
      member.hash = createHash('sha256');
      this.#lease.add(promised);
      return;
    }
    const channel = new ByteChannel();
    member.channel = channel;
    const previous = this.#converting?.done;
    const done = this.#convert(member.path, promised, channel, previous).finally(() => channel.abandon());
    this.#converting = { channel, done };
  }

  /** Never rejects: what is wrong with a member matters only if an image refers to it; what is wrong with us matters always. */
  async #convert(
    path: string,
    promised: Digest | undefined,
    channel: ByteChannel,
    previous: Promise<void> | undefined,
  ): Promise<void> {
    await previous;
    try {
      const layer = await this.#layers.ingest(
        {
          what: `layer "${printable(path)}"`,
          bytes: channel,
          compression: 'any',
          ...(promised !== undefined && { expected: { digest: promised } }),
        },
        this.#lease,
        this.#signal,
      );
      this.contents.addLayer(path, { diffId: layer.diffId, digest: layer.digest });
    } catch (error) {
      const failure =
        error instanceof EngineError
          ? error
          : new EngineError('internal', `cannot read layer "${printable(path)}"`, { cause: error });
      if (
        failure.code === 'invalid_argument' ||
        failure.code === 'data_loss' ||
        failure.code === 'unimplemented'
      )
        this.contents.addLayer(path, failure);
      else this.#failure ??= failure;
    }
  }

  #finishKnown(member: Member, hash: Hash): void {
    const digest = sha256Digest(hash.digest('hex'));
    this.contents.addLayer(
      member.path,
      digest === blobDigest(member.path) ? { diffId: digest, digest } : wrongDigest(member.path, digest),
    );
  }

  #finishDocument(member: Member, bytes: Buffer): void {
    const promised = blobDigest(member.path);
    const digest =
      promised === undefined ? undefined : sha256Digest(createHash('sha256').update(bytes).digest('hex'));
    if (digest !== undefined && digest !== promised) throw wrongDigest(member.path, digest);
    this.contents.addDocument(member.path, bytes);
  }
}

function isJson(head: Buffer): boolean {
  const first = head.toString('latin1', 0, 64).trimStart()[0];
  return first === '{' || first === '[';
}

function wrongDigest(path: string, digest: Digest): EngineError {
  return new EngineError('data_loss', `archive is corrupt: "${path}" has the digest ${digest}`);
}

function shortName(path: string): string {
  const hex = /[0-9a-f]{64}/.exec(path)?.[0];
  return hex === undefined ? printable(path).slice(0, 32) : shortDigest(hex);
}
