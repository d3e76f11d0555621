/** The completion for fish: a list of conditions and words. */
import type { FlagSpec, ValueSource } from '../arguments/command.ts';
import type { DescribedCommand, DescribedProgram } from './describe-commands.ts';
import { nameLists } from './describe-commands.ts';

export function fishScript({ globalFlags, managementWords, commands }: DescribedProgram): string {
  const lines = [
    '# fish completion for dvm: keep it as ~/.config/fish/completions/dvm.fish.',
    'function __dvm_verb --description "Whether these words are the verb on the command line"',
    '    set -l words (commandline -opc)[2..]',
    '    set -l verb',
    '    while set -q words[1]',
    `        if contains -- $words[1] ${globalFlags
      .filter(({ kind }) => kind !== 'bool')
      .flatMap(forms)
      .join(' ')}`,
    '            set -e words[1]',
    '        else if not string match -q -- "-*" $words[1]',
    '            set -a verb $words[1]',
    '        end',
    '        set -e words[1]',
    '    end',
    '    set -l wanted (count $argv)',
    '    test $wanted -le (count $verb); and test "$verb[1..$wanted]" = "$argv"',
    'end',
    'function __dvm_no_verb',
    '    not __dvm_any_verb',
    'end',
    'function __dvm_any_verb',
    `    for word in ${topWords(commands, managementWords).join(' ')}`,
    '        if __dvm_verb $word',
    '            return 0',
    '        end',
    '    end',
    '    return 1',
    'end',
    'complete -c dvm -f',
    ...globalFlags.map((flag) => flagLine('__dvm_no_verb', flag)),
    ...Object.entries(managementWords).map(([word, summary]) => wordLine('__dvm_no_verb', word, summary)),
    ...commands.flatMap(commandLines),
  ];
  return `${lines.join('\n')}\n`;
}

function topWords(
  commands: readonly DescribedCommand[],
  managementWords: Readonly<Record<string, string>>,
): readonly string[] {
  return [
    ...commands.map(({ name }) => name).filter((name) => !name.includes(' ')),
    ...Object.keys(managementWords),
  ];
}

function commandLines({ name, summary, flags, args }: DescribedCommand): readonly string[] {
  const [first = '', second] = name.split(' ');
  const word = second ?? first;
  const before = second === undefined ? '__dvm_no_verb' : `__dvm_verb ${first}`;
  const condition = `__dvm_verb ${name}`;
  const offered = second === undefined || before !== condition ? [wordLine(before, word, summary)] : [];
  const argument = valuesOf(args);
  return [
    ...offered,
    ...flags.map((flag) => flagLine(condition, flag)),
    ...(argument === '' ? [] : [`complete -c dvm -n ${quote(condition)} ${argument}`]),
  ];
}

function wordLine(condition: string, word: string, summary: string): string {
  return `complete -c dvm -n ${quote(condition)} -a ${word} -d ${quote(summary)}`;
}

function flagLine(condition: string, flag: FlagSpec): string {
  const short = flag.short === undefined ? '' : ` -s ${flag.short}`;
  const value = flag.kind === 'bool' ? '' : ` -r ${valuesOf(flag.complete ?? 'none')}`.trimEnd();
  return `complete -c dvm -n ${quote(condition)} -l ${flag.name}${short}${value} -d ${quote(flag.help)}`;
}

function valuesOf(source: ValueSource): string {
  if (typeof source !== 'string') return `-f -a ${quote(source.join(' '))}`;
  if (source === 'file') return '-F';
  const list = nameLists[source];
  return list === undefined ? '' : `-f -a '(dvm __complete ${list} 2>/dev/null)'`;
}

function forms({ name, short }: FlagSpec): readonly string[] {
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
