/**
 * Completion scripts for bash, zsh and fish, from the tree of commands: for each command, the words that may follow it. They run
 * nothing and ask no server.
 */

import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

interface Place {
  /** The names from below the root, with a space between; empty for the root. */
  readonly path: string
  readonly words: readonly { readonly word: string; readonly meaning: string }[]
}

export function completionScript(root: Command, shell: Shell): string {
  const places = placesOf(root, '', root)
  // Options that take a value: what stands after one is no command.
  const valued = [...new Set(placesWithValues(root))].sort()
  switch (shell) {
    case 'bash':
      return bash(places, valued)
    case 'zsh':
      return zsh(places, valued)
    case 'fish':
      return fish(places, valued)
  }
}

function placesOf(command: Command, path: string, root: Command): readonly Place[] {
  const children = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help')
  const options = [...command.options, ...(command === root ? [] : root.options)].filter(({ hidden }) => !hidden)
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices)
  const words = [
    ...children.map((child) => ({ word: child.name(), meaning: firstSentence(child.description()) })),
    ...choices.map((choice) => ({ word: choice, meaning: '' })),
    ...options.map((option) => ({ word: option.long ?? option.flags, meaning: firstSentence(option.description) })),
    { word: '--help', meaning: 'help' },
  ]
  return [
    { path, words },
    ...children.flatMap((child) => placesOf(child, path === '' ? child.name() : `${path} ${child.name()}`, root)),
  ]
}

const placesWithValues = (command: Command): readonly string[] => [
  ...command.options.filter(({ required, optional }) => required || optional).map(({ long, flags }) => long ?? flags),
  ...command.commands.flatMap(placesWithValues),
]

const firstSentence = (text: string): string => (/^[^.:;]*/.exec(text)?.[0] ?? text).trim()

/** In single quotes of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const bash = (places: readonly Place[], valued: readonly string[]): string => `# sallyport: completion for bash
_sallyport_words() {
  case "$1" in
${places.map(({ path, words }) => `    ${quoted(path)}) echo ${quoted(words.map(({ word }) => word).join(' '))} ;;`).join('\n')}
    *) return 1 ;;
  esac
}
_sallyport() {
  local path='' word next skip='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [ -n "$skip" ]; then skip=''; continue; fi
    case "$word" in
      ${valued.join('|')}) skip=1 ;;
      -*) ;;
      *)
        next="\${path:+$path }$word"
        if _sallyport_words "$next" > /dev/null; then path="$next"; fi
        ;;
    esac
  done
  # A value, most often a file.
  if [ -n "$skip" ]; then
    compopt -o default 2> /dev/null
    return 0
  fi
  COMPREPLY=($(compgen -W "$(_sallyport_words "$path")" -- "\${COMP_WORDS[COMP_CWORD]}"))
  return 0
}
complete -F _sallyport sallyport
`

const zsh = (places: readonly Place[], valued: readonly string[]): string => `#compdef sallyport
# sallyport: completion for zsh
_sallyport_words() {
  case "$1" in
${places
  .map(({ path, words }) => {
    const described = words.map(({ word, meaning }) =>
      quoted(`${word.replaceAll(':', '\\:')}${meaning === '' ? '' : `:${meaning}`}`),
    )
    return `    ${quoted(path)}) reply=(${described.join(' ')}) ;;`
  })
  .join('\n')}
    *) return 1 ;;
  esac
}
_sallyport() {
  local at='' word skip='' i
  local -a reply
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    if [[ -n "$skip" ]]; then skip=''; continue; fi
    case "$word" in
      ${valued.join('|')}) skip=1 ;;
      -*) ;;
      *) if _sallyport_words "\${at:+$at }$word"; then at="\${at:+$at }$word"; fi ;;
    esac
  done
  if [[ -n "$skip" ]]; then _files; return; fi
  _sallyport_words "$at"
  _describe 'sallyport' reply
}
if [ "$funcstack[1]" = "_sallyport" ]; then _sallyport "$@"; else compdef _sallyport sallyport; fi
`

const fish = (places: readonly Place[], valued: readonly string[]): string => `# sallyport: completion for fish
function __sallyport_path
  set -l path
  set -l skip ''
  for word in (commandline -opc)[2..-1]
    if test -n "$skip"
      set skip ''
      continue
    end
    switch $word
      case ${valued.join(' ')}
        set skip 1
      case '-*'
      case '*'
        if contains -- (string join ' ' $path $word) $__sallyport_paths
          set path $path $word
        end
    end
  end
  string join ' ' -- $path
  return 0
end
set -g __sallyport_paths ${places
  .filter(({ path }) => path !== '')
  .map(({ path }) => quotedForFish(path))
  .join(' ')}
complete -c sallyport -f
${places
  .flatMap(({ path, words }) =>
    words.map(({ word, meaning }) => {
      const where = quotedForFish(`test (__sallyport_path | string collect -a) = ${quotedForFish(path)}`)
      const told = meaning === '' ? '' : ` -d ${quotedForFish(meaning)}`
      if (!word.startsWith('--')) return `complete -c sallyport -n ${where} -a ${quotedForFish(word)}${told}`
      const value = valued.includes(word) ? ' -r -F' : ''
      return `complete -c sallyport -n ${where} -l ${word.slice(2)}${value}${told}`
    }),
  )
  .join('\n')}
`

const quotedForFish = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`
