/** Tells the service manager how we are (sd_notify(3)): one datagram to the socket it named. */
import ffi from 'node:ffi';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/**
 * Sends e.g. "READY=1" to `socketPath`, the value of NOTIFY_SOCKET ("@" begins an abstract name). False when nobody
 * received it: whoever started us does not need to know then.
 */
export function notifyServiceManager(socketPath: string, state: string): boolean {
  const name = Buffer.from(socketPath.startsWith('@') ? `\0${socketPath.slice(1)}` : socketPath);
  if (name.length === 0 || name.length > 107) return false;
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const message = Buffer.from(state);
  const library = new ffi.DynamicLibrary(null);
  const socket = library.getFunction('socket', { arguments: ['i32', 'i32', 'i32'], return: 'i32' });
  const sendto = library.getFunction('sendto', {
    arguments: ['i32', 'pointer', 'u64', 'i32', 'pointer', 'u32'],
    return: 'i64',
  });
  const close = library.getFunction('close', { arguments: ['i32'], return: 'i32' });
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return false;
  const sent = sendto(fd, message, BigInt(message.length), MSG_NOSIGNAL, address, address.length);
  close(fd);
  return sent === BigInt(message.length);
}
