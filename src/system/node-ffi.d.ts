/** The part of Node's experimental `node:ffi` that `libc.ts` uses; @types/node does not have it yet. */
declare module 'node:ffi' {
  interface TypedArguments {
    readonly i32: number;
    readonly u32: number;
    readonly i64: bigint;
    readonly u64: bigint;
    readonly pointer: bigint | NodeJS.ArrayBufferView | null;
    readonly string: string;
  }
  type TypeName = keyof TypedArguments;
  interface TypedReturns {
    readonly i32: number;
    readonly u32: number;
    readonly i64: bigint;
    readonly u64: bigint;
    readonly pointer: bigint;
    readonly string: string | null;
  }
  type Native<A extends readonly TypeName[], R extends TypeName> = (
    ...args: { readonly [I in keyof A]: TypedArguments[A[I]] }
  ) => TypedReturns[R];

  export class DynamicLibrary {
    /** `null`: what this process has loaded already, libc among it. */
    constructor(path: string | null);
    getFunction<const A extends readonly TypeName[], R extends TypeName>(
      name: string,
      signature: { readonly arguments: A; readonly return: R },
    ): Native<A, R>;
  }
  /** The address of a buffer's first byte. The buffer must stay referenced for as long as it is used. */
  export function getRawPointer(buffer: NodeJS.ArrayBufferView): bigint;
  export function getInt32(address: bigint, offset: number): number;
}
