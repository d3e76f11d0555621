/** `dvm` without a verb that exists: help, the version, or what is wrong. */
import { managementWords } from './arguments/command.ts';
import type { Group } from './arguments/command.ts';
import { commandTable, findCommand } from './command-table.ts';
import { commandHelp, flagTable } from './arguments/help.ts';
import { ExitError } from './exit-error.ts';
import { globalFlags } from './global-flags.ts';
import type { TextOutput } from './terminal/text-output.ts';
import { dvmVersion } from './version.ts';

export interface TopLevelInput {
  /** What is left after the global flags. */
  readonly words: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  readonly out: TextOutput;
}

export async function runWithoutVerb({ words, help, version, out }: TopLevelInput): Promise<number> {
  if (version) {
    await out.line(`DVM version ${dvmVersion}`);
    return 0;
  }
  const [first, second] = words;
  if (first === undefined) {
    await out.write(topLevelHelp());
    return 0;
  }
  if (first === 'help') return await runHelp(words.slice(1), out);
  if (!(first in managementWords)) {
    throw new ExitError(1, `dvm: unknown command: dvm ${first}\n\nRun 'dvm --help' for more information`);
  }
  if (second === undefined || second === '--help' || second === '-h' || help) {
    await out.write(managementHelp(first));
    return 0;
  }
  throw new ExitError(
    1,
    `dvm: unknown command: dvm ${first} ${second}\n\nRun 'dvm ${first} --help' for more information`,
  );
}

async function runHelp(words: readonly string[], out: TextOutput): Promise<number> {
  const found = findCommand(words);
  if (found === undefined) {
    await out.write(
      words[0] !== undefined && words[0] in managementWords ? managementHelp(words[0]) : topLevelHelp(),
    );
    return 0;
  }
  const { command } = await found.entry.load();
  await out.write(commandHelp(found.calledAs, command, found.entry));
  return 0;
}

function topLevelHelp(): string {
  const sections = [
    'Usage:  dvm [OPTIONS] COMMAND',
    'Run container images in microVMs of their own',
    `Common Commands:\n${list(group('common'))}`,
    `Management Commands:\n${list(Object.entries(managementWords))}`,
    `Commands:\n${list(group('command'))}`,
    `Global Options:\n${flagTable(globalFlags)}`,
    "Run 'dvm COMMAND --help' for more information on a command.",
  ];
  return `${sections.join('\n\n')}\n`;
}

function managementHelp(word: string): string {
  const prefix = `${word} `;
  const rows = commandTable.flatMap(({ names, summary }): [string, string][] => {
    const name = names.find((candidate) => candidate.startsWith(prefix));
    return name === undefined ? [] : [[name.slice(prefix.length), summary]];
  });
  const usage = [
    `Usage:  dvm ${word} COMMAND`,
    managementWords[word] ?? '',
    `Commands:\n${list(rows.toSorted())}`,
  ];
  return `${usage.join('\n\n')}\n\nRun 'dvm ${word} COMMAND --help' for more information on a command.\n`;
}

function group(wanted: Group): [string, string][] {
  return commandTable
    .filter((candidate) => candidate.group === wanted)
    .map(({ names, summary }) => [names[0] ?? '', summary]);
}

function list(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, summary]) => `  ${name.padEnd(width)}${summary}`).join('\n');
}
