/** The completion for zsh: an `_arguments` specification per verb. */
import type { FlagSpec, ValueSource } from '../arguments/command.ts';
import type { DescribedCommand, DescribedProgram } from './describe-commands.ts';
import { nameLists } from './describe-commands.ts';

export function zshScript({ globalFlags, managementWords, commands }: DescribedProgram): string {
  const top = commands.filter(({ name }) => !name.includes(' '));
  const words = Object.keys(managementWords);
  return `#compdef dvm
# zsh completion for dvm: keep it as _dvm in a directory of $fpath.
_dvm_names() {
  local -a names
  names=(\${(f)"$(dvm __complete $1 2>/dev/null)"})
  compadd -a names
}

_dvm_verbs() {
  local -a verbs
  case $1 in
${words.map((word) => `    ${word}) verbs=(${described(commands, word)}) ;;`).join('\n')}
    *) verbs=(${top.map(({ name, summary }) => describe(name, summary)).join(' ')} ${Object.entries(
      managementWords,
    )
      .map(([word, summary]) => describe(word, summary))
      .join(' ')}) ;;
  esac
  _describe verb verbs
}

_dvm_flags() {
  case $1 in
${commands.map(verbCase).join('\n')}
  esac
}

_dvm() {
  local context state line curcontext=$curcontext
  local -A opt_args
  _arguments -C ${globalFlags.flatMap(flagSpecs).join(' ')} '1:verb:->verb' '*::argument:->rest'
  case $state in
    verb) _dvm_verbs '' ;;
    rest)
      local verb=$words[1]
      case $verb in
        ${words.join('|')})
          if (( CURRENT == 2 )); then _dvm_verbs $verb; return; fi
          verb="$verb $words[2]"
          shift words; (( CURRENT-- )) ;;
      esac
      _dvm_flags $verb ;;
  esac
}

if [[ $funcstack[1] == _dvm ]]; then _dvm "$@"; else compdef _dvm dvm; fi
`;
}

function described(commands: readonly DescribedCommand[], word: string): string {
  return commands
    .filter(({ name }) => name.startsWith(`${word} `))
    .map(({ name, summary }) => describe(name.slice(word.length + 1), summary))
    .join(' ');
}

function verbCase({ name, flags, args }: DescribedCommand): string {
  const action = actionOf(args);
  const rest = action === '' ? '' : ` ${quote(`*:argument:${action}`)}`;
  return `    '${name}') _arguments ${flags.flatMap(flagSpecs).join(' ')}${rest} ;;`;
}

function flagSpecs(flag: FlagSpec): readonly string[] {
  const help = flag.help.replaceAll(/[[\]]/g, '\\$&').replaceAll(':', '\\:');
  const value = flag.kind === 'bool' ? '' : `:${flag.name}:${actionOf(flag.complete ?? 'none') || ' '}`;
  const star = flag.kind === 'list' ? '*' : '';
  const long = quote(`${star}--${flag.name}${flag.kind === 'bool' ? '' : '='}[${help}]${value}`);
  return flag.short === undefined ? [long] : [long, quote(`${star}-${flag.short}[${help}]${value}`)];
}

function actionOf(source: ValueSource): string {
  if (typeof source !== 'string') return `(${source.join(' ')})`;
  if (source === 'file') return '_files';
  const list = nameLists[source];
  return list === undefined ? '' : `_dvm_names ${list}`;
}

function describe(word: string, summary: string): string {
  return quote(`${word}:${summary.replaceAll(':', '\\:')}`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
