/** dvm doctor: what the daemon finds when it looks at its host. */
import type { DvmDoctor } from '../../client/api-types.ts';
import type { Command } from '../arguments/command.ts';

const marks = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' } as const;

export const command: Command = {
  usage: '[OPTIONS]',
  flags: [
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      help: "Format output using a custom template: 'json' or a Go template",
    },
  ],
  args: { min: 0, max: 0 },
  run: async ({ flags, client, out }) => {
    const report = await client.json<DvmDoctor>('GET', '/dvm/v1/doctor');
    const format = flags.string('format');
    if (format === '') await out.write(reportText(report));
    else {
      const { objectFormatter } = await import('../output/format-object.ts');
      await out.line(objectFormatter(format)(report));
    }
    return report.healthy ? 0 : 1;
  },
};

function reportText({ healthy, checks }: DvmDoctor): string {
  const width = Math.max(0, ...checks.map(({ name }) => name.length)) + 2;
  const indent = ' '.repeat(marks.ok.length + 2 + width);
  const lines = checks.map(({ name, status, message, advice }) => {
    const line = `${marks[status]}  ${name.padEnd(width)}${message}`;
    return advice === undefined ? line : `${line}\n${indent}-> ${advice}`;
  });
  const verdict = healthy
    ? 'This host can run containers in microVMs.'
    : 'This host cannot run containers as it is: see what FAILED.';
  return `${lines.join('\n')}\n\n${verdict}\n`;
}
