import type { Summary } from './statistics.ts';

/** One line of the table. `definition` says where the measurement starts and where it ends. */
export interface Metric {
  readonly name: string;
  readonly definition: string;
  readonly unit: 'ms' | 'MB' | '% of a core';
  readonly aim?: number;
  readonly summary: Summary;
}
