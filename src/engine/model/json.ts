/** A value that survives JSON; what is stored of things whose meaning belongs to a driver. */
export type Json = null | boolean | number | string | Json[] | { readonly [key: string]: Json };
