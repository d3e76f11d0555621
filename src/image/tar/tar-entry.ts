/** What a tar archive says about one member, as it stands there: hostile until somebody has checked it. */

export type TarEntryType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

/** Names are byte strings: one latin1 character per byte, so nothing is lost and order is byte order. */
export interface TarEntry {
  readonly type: TarEntryType;
  readonly name: string;
  readonly linkName: string;
  /** Permission bits with setuid, setgid and sticky: 0 to 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content once holes are filled. */
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Names as byte strings. */
  readonly xattrs: ReadonlyMap<string, Buffer> | undefined;
}

/** Receives an archive's members in order. Every call is synchronous; whoever feeds the reader waits between pushes. */
export interface TarSink {
  entry(entry: TarEntry): void;
  /** The member's next bytes: a view of the chunk that was pushed. */
  data(chunk: Buffer): void;
  /** The member's next `count` bytes are a hole. */
  zeros(count: number): void;
  /** The member's content is complete. */
  end(): void;
}

/** A byte string as people read it, for error messages; what a terminal would obey is shown as \xNN. */
export function printable(name: string): string {
  const text = Buffer.from(name.slice(0, 300), 'latin1').toString('utf8');
  const shown = withoutControls(text);
  return name.length > 300 ? `${shown}…` : shown;
}

/** Text from elsewhere that is going to be printed. */
export function withoutControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}]/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
