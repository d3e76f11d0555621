/** Chain IDs: the identity of a stack of layers (OCI image specification, "Layer ChainID"). */
import { createHash } from 'node:crypto';
import { sha256Digest, type Digest } from './digest.ts';

/** One chain ID per layer, bottom first. */
export function chainIds(diffIds: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = [];
  let parent: Digest | undefined;
  for (const diffId of diffIds) {
    parent =
      parent === undefined
        ? diffId
        : sha256Digest(createHash('sha256').update(`${parent} ${diffId}`).digest('hex'));
    chain.push(parent);
  }
  return chain;
}
