#include "cli/reference_text.h"

#include <CLI/CLI.hpp>

#include "cli/command_tree.h"

namespace tunesmith::cli {
namespace {

std::string block(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n');
  const std::size_t begin = text.find_first_not_of('\n');
  if (begin == std::string::npos) return "";
  return "```\n" + text.substr(begin, end + 1 - begin) + "\n```\n";
}

void append(std::string& out, CLI::App& app, const std::string& parents) {
  const std::string name = parents + " " + app.get_name();
  out += "\n## " + name + "\n\n" + block(app.help(parents));
  for (CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) append(out, *command, name);
  }
}

}  // namespace

std::string reference_text() {
  Arguments arguments;
  const auto app = make_command_tree(arguments);
  std::string out =
      "# The tunesmith command\n\nMade by `tunesmith __reference > docs/cli.md`; a test holds it "
      "to "
      "what `--help` says.\n\n" +
      block(app->help());
  for (CLI::App* command : app->get_subcommands({})) {
    if (!command->get_group().empty()) append(out, *command, app->get_name());
  }
  return out;
}

}  // namespace tunesmith::cli
