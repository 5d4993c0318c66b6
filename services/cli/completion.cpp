#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command_tree.h"
#include "cli/json_view.h"
#include "cli/stack_state.h"

namespace tunesmith::cli {
namespace {

using Names = std::function<std::vector<std::string>(Kind kind, const std::string& name_space)>;

const CLI::App* subcommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* one : app.get_subcommands({})) {
    if (one->get_name() == name) return one;
  }
  return nullptr;
}

const CLI::Option* option_named(const CLI::App& app, const std::string& word) {
  for (const CLI::Option* option : app.get_options({})) {
    if (!option->get_positional() && option->check_name(word)) return option;
  }
  return nullptr;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_min() > 0; }

// Where the words before the last one lead to.
struct Place {
  const CLI::App* command;
  const CLI::Option* open = nullptr;  // a flag that waits for its value
  std::string name_space = "default";
  std::vector<std::string> positionals{};
};

Place find_place(const CLI::App& app, const std::vector<std::string>& words) {
  Place place{&app};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (place.open != nullptr) {
      if (place.open->check_name("--namespace")) place.name_space = word;
      place.open = nullptr;
    } else if (word.starts_with("-") && word != "-") {
      const std::size_t equals = word.find('=');
      const CLI::Option* option = option_named(*place.command, word.substr(0, equals));
      if (option == nullptr) continue;
      if (equals == std::string::npos && takes_value(*option)) place.open = option;
      if (equals != std::string::npos && option->check_name("--namespace")) {
        place.name_space = word.substr(equals + 1);
      }
    } else if (const CLI::App* next = subcommand(*place.command, word)) {
      place.command = next;
    } else {
      place.positionals.push_back(word);
    }
  }
  return place;
}

// The words that CLI11's IsMember allows stand in the option's help: "wide, yaml, json or name".
std::vector<std::string> listed_values(const CLI::Option& option) {
  std::vector<std::string> values;
  std::string word;
  for (const char c : option.get_description() + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += c;
    } else if (!word.empty()) {
      if (word != "or") values.push_back(word);
      word.clear();
    }
  }
  return values;
}

std::vector<std::string> values_of(const CLI::Option& option) {
  for (const char* name : {"--output", "--log-level", "shell"}) {
    if (option.check_name(name)) return listed_values(option);
  }
  for (const char* name : {"--filename", "--config", "--ca-file", "--nats-server", "--dir"}) {
    if (option.check_name(name)) return {":files"};
  }
  return {};
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : command.get_options({})) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    for (const std::string& name : option->get_snames()) flags.push_back("-" + name);
  }
  return flags;
}

std::vector<std::string> positionals_of(const Place& place, const Names& names) {
  const auto positional = [&](const char* name) {
    for (const CLI::Option* option : place.command->get_options({})) {
      if (option->get_positional() && option->get_name(true) == name) return option;
    }
    return static_cast<const CLI::Option*>(nullptr);
  };
  if (const CLI::Option* shell = positional("shell")) return listed_values(*shell);
  const bool secrets =
      place.command->get_parent() != nullptr && place.command->get_parent()->get_name() == "secret";
  if (secrets || (positional("name") == nullptr && positional("what") == nullptr)) return {};
  Kind kind = Kind::kWorkspace;
  if (!place.positionals.empty()) {
    kind = kind_from(place.positionals.front()).value_or(Kind::kWorkspace);
  }
  auto found = names(kind, place.name_space);
  if (place.positionals.empty()) {
    found.emplace_back("workspace");
    const std::string& command = place.command->get_name();
    if (command == "get" || command == "delete") found.emplace_back("configmap");
  }
  return found;
}

}  // namespace

std::vector<std::string> completions(const CLI::App& app, const std::vector<std::string>& words,
                                     const Names& names) {
  const std::string last = words.empty() ? "" : words.back();
  const Place place = find_place(app, words);
  std::vector<std::string> found;
  if (place.open != nullptr) {
    found = values_of(*place.open);
  } else if (last.starts_with("-")) {
    found = flags_of(*place.command);
  } else if (!place.command->get_subcommands({}).empty()) {
    for (const CLI::App* one : place.command->get_subcommands({})) {
      if (!one->get_group().empty()) found.push_back(one->get_name());
    }
  } else {
    found = positionals_of(place, names);
  }
  if (found == std::vector<std::string>{":files"}) return found;
  std::erase_if(found, [&](const std::string& word) { return !word.starts_with(last); });
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Result<int> complete_words(const CommandContext& context, const std::vector<std::string>& words) {
  Arguments arguments;
  const auto app = make_command_tree(arguments);
  const auto names = [&](Kind kind, const std::string& name_space) {
    std::vector<std::string> found;
    auto session = open_session(context);
    const auto objects =
        session ? list_objects(*session, kind, name_space) : Result<std::vector<nlohmann::json>>();
    for (const auto& object : objects ? *objects : std::vector<nlohmann::json>{}) {
      found.push_back(text_at(object, "/metadata/name"));
    }
    return found;
  };
  for (const std::string& word : completions(*app, words, names)) context.out << word << "\n";
  return 0;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash") {
    return R"(# bash completion of tunesmith: source <(tunesmith completion bash)
_tunesmith() {
  local IFS=$'\n' words
  words=$("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [ "$words" = ":files" ]; then
    compopt -o filenames
    COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
  else
    COMPREPLY=($words)
  fi
}
complete -F _tunesmith tunesmith
)";
  }
  if (shell == "zsh") {
    return R"(#compdef tunesmith
# zsh completion of tunesmith: tunesmith completion zsh > "${fpath[1]}/_tunesmith"
_tunesmith() {
  local -a found
  found=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "$found" == ":files" ]]; then
    _files
  else
    compadd -- ${found:#}
  fi
}
compdef _tunesmith tunesmith
)";
  }
  return R"(# fish completion of tunesmith: tunesmith completion fish > ~/.config/fish/completions/tunesmith.fish
function __tunesmith_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found ($words[1] __complete -- $words[2..-1] 2>/dev/null)
  if test "$found" = ":files"
    __fish_complete_path (commandline -ct)
  else
    printf '%s\n' $found
  end
end
complete -c tunesmith -f -a '(__tunesmith_complete)'
)";
}

}  // namespace tunesmith::cli
