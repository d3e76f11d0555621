import * as z from 'zod';

export const idParams = z.object({ id: z.string().min(1) });

/** Terminal size: both or none. */
export const sizeQuery = z.object({
  h: z.coerce.number().int().min(0).max(65535),
  w: z.coerce.number().int().min(0).max(65535),
});
