/** How output travels to clients: framed per stream without a terminal, as it is with one. */

export const rawStreamType = 'application/vnd.docker.raw-stream';
export const multiplexedStreamType = 'application/vnd.docker.multiplexed-stream';

const streamNumber = { stdout: 1, stderr: 2 } as const;

/** The eight bytes before a frame's payload: [stream, 0, 0, 0, length as big endian]. */
export function frameHeader(stream: 'stdout' | 'stderr', length: number): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt8(streamNumber[stream], 0);
  header.writeUInt32BE(length, 4);
  return header;
}

/** Clients before 1.42 know only one name for both. */
export function streamContentType(tty: boolean, minorVersion: number): string {
  return tty || minorVersion < 42 ? rawStreamType : multiplexedStreamType;
}
