/** What one layer may cost. A layer beyond it is refused with `resource_exhausted`. */
export interface LayerLimits {
  readonly maxEntries: number;
  /** Bytes of tar, and of content with its holes filled. */
  readonly maxBytes: number;
  /** Path components below the root. */
  readonly maxDepth: number;
  /** Names, link targets and attributes together: what is kept in memory until the end. */
  readonly maxMetadataBytes: number;
  readonly maxXattrBytesPerEntry: number;
  /** Tar bytes per compressed byte, once more than `ratioFreeBytes` came out. */
  readonly maxExpansionRatio: number;
  readonly ratioFreeBytes: number;
  /** Memory for the ends of files that are stored with their inodes; above it they take a block each. */
  readonly tailBudgetBytes: number;
}

export const defaultLayerLimits: LayerLimits = {
  maxEntries: 750_000,
  maxBytes: 64 * 1024 ** 3,
  maxDepth: 256,
  maxMetadataBytes: 256 * 1024 ** 2,
  maxXattrBytesPerEntry: 256 * 1024,
  maxExpansionRatio: 200,
  ratioFreeBytes: 1024 ** 3,
  tailBudgetBytes: 32 * 1024 ** 2,
};
