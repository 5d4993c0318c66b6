// tunesmith: the command people type.
#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/command_tree.h"
#include "cli/usage_error.h"

int main(int argc, char** argv) {
  using namespace tunesmith::cli;
  Arguments arguments;
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto app = make_command_tree(arguments, program_name(argv[0]));
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app->exit(error, std::cout, std::cerr);  // --help
    std::cerr << usage_error_text(*app, words, error.what());
    return kUsage;
  }
  return arguments.action();
}
