/** The verbs as the completion scripts need them: everything comes from the commands' own definitions. */
import { managementWords } from '../arguments/command.ts';
import type { FlagSpec, TableEntry, ValueSource } from '../arguments/command.ts';
import { globalFlags } from '../global-flags.ts';

export interface DescribedCommand {
  /** One word or two: "run", "container run". */
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly FlagSpec[];
  readonly args: ValueSource;
}

export interface DescribedProgram {
  readonly globalFlags: readonly FlagSpec[];
  readonly managementWords: Readonly<Record<string, string>>;
  readonly commands: readonly DescribedCommand[];
}

export async function describeCommands(table: readonly TableEntry[]): Promise<DescribedProgram> {
  const commands: DescribedCommand[] = [];
  for (const { names, summary, group, load } of table) {
    if (group === 'hidden') continue;
    const { command } = await load();
    const flags = command.flags.filter((flag) => flag.hidden !== true);
    for (const name of names) commands.push({ name, summary, flags, args: command.completeArgs ?? 'none' });
  }
  return { globalFlags, managementWords, commands: commands.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** What `dvm __complete` is asked for a kind of value. */
export const nameLists: Readonly<Record<string, string>> = {
  container: 'containers',
  'running-container': 'running-containers',
  image: 'images',
};
