/** The completion for bash: one function, which looks up the verb's words in tables. It needs no bash-completion package. */
import type { FlagSpec, ValueSource } from '../arguments/command.ts';
import type { DescribedProgram } from './describe-commands.ts';
import { nameLists } from './describe-commands.ts';

export function bashScript({ globalFlags, managementWords, commands }: DescribedProgram): string {
  const verbs = [
    ...new Set([
      ...commands.filter(({ name }) => !name.includes(' ')).map(({ name }) => name),
      ...Object.keys(managementWords),
    ]),
  ];
  const management = Object.keys(managementWords).map((word) => {
    const verbsOf = commands
      .filter(({ name }) => name.startsWith(`${word} `))
      .map(({ name }) => name.slice(word.length + 1));
    return `    ${word}) words="${verbsOf.join(' ')}" ;;`;
  });
  return `# bash completion for dvm: source it, or keep it as dvm in a directory of bash-completion's.
_dvm_names() { dvm "\${_dvm_globals[@]}" __complete "$1" 2>/dev/null; }

_dvm_flags() {
  case "$1" in
${commands.map(({ name, flags }) => `    '${name}') echo "${flagWords(flags)}" ;;`).join('\n')}
  esac
}

# What comes after a flag: nothing for booleans, a list of words, or @file, @containers, ...
_dvm_value() {
  case "$1 $2" in
${commands.flatMap(({ name, flags }) => valueCases(name, flags)).join('\n')}
  esac
}

_dvm_args() {
  case "$1" in
${commands.map(({ name, args }) => `    '${name}') echo "${sourceWord(args)}" ;;`).join('\n')}
  esac
}

_dvm_offer() {
  local words
  case "$1" in
    @file) COMPREPLY=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null; return ;;
    @none|'') return ;;
    @*) words=$(_dvm_names "\${1#@}") ;;
    *) words=$1 ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  __ltrim_colon_completions "$cur" 2>/dev/null
}

_dvm() {
  local cur prev words cword verb='' i word value
  local -a _dvm_globals=()
  COMPREPLY=()
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n : cur prev words cword
  else
    cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
  fi
  for ((i = 1; i < cword; i++)); do
    word=\${words[i]}
    case "$word" in
      ${globalFlags
        .filter(({ kind }) => kind !== 'bool')
        .flatMap(flagForms)
        .join('|')})
        _dvm_globals+=("$word" "\${words[i+1]}"); ((i++)) ;;
      -*) ;;
      *) verb=$word; ((i++)); break ;;
    esac
  done
  case "$verb" in
    ${Object.keys(managementWords).join('|')}) if ((i < cword)); then verb="$verb \${words[i]}"; ((i++)); fi ;;
  esac
  if [[ -z $verb ]]; then
    case "$prev" in
      --socket|--host|-H|--data-dir|--state-dir) _dvm_offer @file ;;
      *) if [[ $cur == -* ]]; then _dvm_offer "${flagWords(globalFlags)}"; else _dvm_offer "${verbs.join(' ')}"; fi ;;
    esac
    return
  fi
  local words=''
  case "$verb" in
${management.join('\n')}
  esac
  if [[ -n $words ]]; then _dvm_offer "$words"; return; fi
  value=$(_dvm_value "$verb" "$prev")
  if [[ -n $value ]]; then _dvm_offer "$value"
  elif [[ $cur == -* ]]; then _dvm_offer "$(_dvm_flags "$verb")"
  else _dvm_offer "$(_dvm_args "$verb")"
  fi
}
complete -F _dvm dvm
`;
}

function flagForms({ name, short }: FlagSpec): readonly string[] {
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
}

function flagWords(flags: readonly FlagSpec[]): string {
  return [...flags.flatMap(flagForms), '--help'].join(' ');
}

function valueCases(command: string, flags: readonly FlagSpec[]): readonly string[] {
  return flags
    .filter(({ kind }) => kind !== 'bool')
    .map((flag) => {
      const patterns = flagForms(flag).map((form) => `'${command} ${form}'`);
      return `    ${patterns.join('|')}) echo "${sourceWord(flag.complete ?? 'none')}" ;;`;
    });
}

/** @name for what is looked up, words for what is known. */
function sourceWord(source: ValueSource): string {
  if (typeof source !== 'string') return source.join(' ');
  return `@${nameLists[source] ?? source}`;
}
