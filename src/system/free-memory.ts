import ffi from 'node:ffi';

/** Gives the allocator's free pages back to the kernel (malloc_trim(3), glibc); takes some milliseconds at most. */
export function returnFreeMemory(): void {
  const library = new ffi.DynamicLibrary(null);
  library.getFunction('malloc_trim', { arguments: ['u64'], return: 'i32' })(0n);
}
