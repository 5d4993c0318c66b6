#include "cli/usage_error.h"

#include <CLI/CLI.hpp>

#include "workspace/spelling.h"

namespace tunesmith::cli {
namespace {

// The command that words lead to, its name, and the first word that is none.
struct Place {
  const CLI::App* command;
  std::string name;
  std::string unknown;
};

const CLI::App* subcommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* one : app.get_subcommands({})) {
    if (one->get_name() == name) return one;
  }
  return nullptr;
}

Place find_place(const CLI::App& app, const std::vector<std::string>& words) {
  Place place{&app, app.get_name(), ""};
  for (const std::string& word : words) {
    if (word.starts_with("-")) continue;
    if (place.command->get_subcommands({}).empty()) break;
    const CLI::App* next = subcommand(*place.command, word);
    if (next == nullptr) {
      place.unknown = word;
      break;
    }
    place.command = next;
    place.name += " " + word;
  }
  return place;
}

std::vector<std::string> visible_subcommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* one : app.get_subcommands({})) {
    if (!one->get_group().empty()) names.push_back(one->get_name());
  }
  return names;
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options({})) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    for (const std::string& name : option->get_snames()) flags.push_back("-" + name);
  }
  return flags;
}

// The first word that looks like a flag and is none of the command's; empty when all are.
std::string unknown_flag(const std::vector<std::string>& words,
                         const std::vector<std::string>& flags) {
  for (const std::string& word : words) {
    if (word == "--") break;
    if (!word.starts_with("-") || word == "-") continue;
    std::string name = word.substr(0, word.find('='));
    const bool known = std::any_of(flags.begin(), flags.end(), [&](const std::string& flag) {
      const bool glued = flag.size() == 2 && !name.starts_with("--");
      return name == flag || (glued && name.starts_with(flag));
    });
    if (!known) return name;
  }
  return "";
}

std::string what_is_wrong(const Place& place, const std::vector<std::string>& words,
                          const std::string& problem) {
  if (!place.unknown.empty()) {
    return "unknown command '" + place.unknown + "' for '" + place.name + "'" +
           workspace::suggestion(place.unknown, visible_subcommands(*place.command));
  }
  const auto flags = flags_of(*place.command);
  if (const std::string flag = unknown_flag(words, flags); !flag.empty()) {
    return "unknown flag '" + flag + "' of '" + place.name + "'" +
           workspace::suggestion(flag, flags);
  }
  if (!place.command->get_subcommands({}).empty()) {
    std::string names;
    for (const std::string& name : visible_subcommands(*place.command)) {
      names += (names.empty() ? "" : ", ") + name;
    }
    return "'" + place.name + "' needs a command: " + names;
  }
  return place.name + ": " + problem;
}

}  // namespace

std::string usage_error_text(const CLI::App& app, const std::vector<std::string>& words,
                             const std::string& problem) {
  const Place place = find_place(app, words);
  return "error: " + what_is_wrong(place, words, problem) + "\nSee '" + place.name + " --help'.\n";
}

}  // namespace tunesmith::cli
