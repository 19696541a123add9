/** `millrace completion`: the words of the command line, for the shells that complete them. */
import type { Command } from 'commander';
import { Argument } from 'commander';
import { type CommandHost, loadSubcommand } from '../program.js';

const shells = ['bash', 'zsh', 'fish'] as const;

/** A command with the words before it, its own subcommands and flags. */
interface Place {
  readonly path: readonly string[];
  readonly words: readonly string[];
}

export function addCompletion(command: Command, host: CommandHost): void {
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText(
      'after',
      '\nExamples:\n  $ source <(millrace completion bash)\n  $ millrace completion fish > ~/.config/fish/completions/millrace.fish\n',
    )
    .action(async (shell: (typeof shells)[number]) => {
      const program = command.parent!;
      for (const other of program.commands) if (other !== command) await loadSubcommand(other, host);
      const places = placesOf(program, []);
      host.terminal.out(shell === 'fish' ? fish(places) : bash(places, shell === 'zsh'));
    });
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const flags = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '');
  const names = command.commands.map((one) => one.name());
  const own = { path, words: [...names, ...flags, '--help'].filter((word) => word !== '') };
  return [own, ...command.commands.flatMap((one) => placesOf(one, [...path, one.name()]))];
}

/** One `case` per command: the words that were typed so far, without flags, decide. zsh runs the same function. */
function bash(places: readonly Place[], isZsh: boolean): string {
  const cases = places.map(({ path, words }) => `    '${path.join(' ')}') words='${words.join(' ')}' ;;`);
  return `${isZsh ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_millrace() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) break ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _millrace millrace`;
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words }) => {
    const condition =
      path.length === 0
        ? '__fish_use_subcommand'
        : path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    return words.map((word) =>
      word.startsWith('--')
        ? `complete -c millrace -n '${condition}' -l ${word.slice(2)}`
        : `complete -c millrace -f -n '${condition}' -a ${word}`,
    );
  });
  return lines.join('\n');
}
