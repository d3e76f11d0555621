/** The figures as JSON and as a table for people. */
import type { Metric } from './metric.ts';

export interface HostDescription {
  readonly cpus: string;
  readonly memory: string;
  readonly kernel: string;
  readonly vmm: string;
  readonly accelerator: string;
  readonly guestKernel: string;
  readonly loadBefore: string;
}

export function table(host: HostDescription, metrics: readonly Metric[]): string {
  const rows = metrics.map(({ name, unit, aim, summary }) => {
    const figure = (value: number) => value.toFixed(unit === '% of a core' ? 2 : unit === 'MB' ? 1 : 0);
    const figures = [summary.p50, summary.p95, summary.p99].map(figure).join(' | ');
    return `| ${name} | ${unit} | ${summary.count} | ${figures} | ${aim === undefined ? '' : `≤ ${aim}`} |`;
  });
  return [
    `Measured on ${host.cpus}, ${host.memory}, host kernel ${host.kernel}; ${host.vmm}, ${host.accelerator}, guest kernel ` +
      `${host.guestKernel}; load before: ${host.loadBefore}.`,
    '',
    '| metric | unit | n | p50 | p95 | p99 | aim (p50) |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    'From where to where:',
    ...metrics.map(({ name, definition }) => `- ${name}: ${definition}.`),
    '',
  ].join('\n');
}
