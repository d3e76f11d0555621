export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly time: Date;
  readonly timeNs: bigint;
  /** One line with its line feed, or a part of a long one. */
  readonly data: Uint8Array;
}

export interface LogQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Lines from the end; undefined: all. */
  readonly tail?: number;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
}
