import assert from 'node:assert/strict';
import ffi from 'node:ffi';
import { test } from 'node:test';
import { notifyServiceManager } from './service-notification.ts';

test('the service manager gets the message, on an abstract socket', () => {
  const name = `@dvm-notify-${process.pid}`;
  using manager = bindDatagramSocket(name);
  assert.equal(notifyServiceManager(name, 'READY=1'), true);
  assert.equal(manager.receive(), 'READY=1');
});

test('nobody there is no error', () => {
  assert.equal(notifyServiceManager('/nonexistent/notify', 'READY=1'), false);
  assert.equal(notifyServiceManager('', 'READY=1'), false);
});

/** Node has no Unix datagram sockets. */
function bindDatagramSocket(name: string) {
  const libc = new ffi.DynamicLibrary(null);
  const fd = libc.getFunction('socket', { arguments: ['i32', 'i32', 'i32'], return: 'i32' })(1, 2, 0);
  const address = Buffer.from(`\x01\0\0${name.slice(1)}`);
  const bind = libc.getFunction('bind', { arguments: ['i32', 'pointer', 'u32'], return: 'i32' });
  assert.equal(bind(fd, address, address.length), 0);
  const recv = libc.getFunction('recv', { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' });
  const close = libc.getFunction('close', { arguments: ['i32'], return: 'i32' });
  return {
    receive: () => {
      const buffer = Buffer.alloc(100);
      const dontWait = 0x40;
      return buffer.toString('latin1', 0, Math.max(0, Number(recv(fd, buffer, 100n, dontWait))));
    },
    [Symbol.dispose]: () => {
      close(fd);
    },
  };
}
