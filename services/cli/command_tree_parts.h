// What the files of the command tree share. Internal to them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "cli/command_tree.h"

namespace tunesmith::cli {

// A command with --dir. `examples`: lines without the program's name.
CLI::App* add_command(CLI::App& app, Arguments& arguments, const std::string& name,
                      const std::string& help, const std::vector<std::string>& examples);
// The same with -n.
CLI::App* add_object_command(CLI::App& app, Arguments& arguments, const std::string& name,
                             const std::string& help, const std::vector<std::string>& examples);
// A command that only holds others.
CLI::App* add_group(CLI::App& app, const std::string& name, const std::string& help);

CLI::Option* add_files(CLI::App& command, std::vector<std::string>& files);

// Has the command run with a connection's context: output, Ctrl-C, the stack's folder.
void on_call(CLI::App& command, Arguments& arguments,
             std::function<Result<int>(const CommandContext& context)> run);
// Prints the failure; the exit code.
int complain(const Failure& failure);

void add_stack_commands(CLI::App& app, Arguments& arguments);
void add_manifest_commands(CLI::App& app, Arguments& arguments);
void add_object_commands(CLI::App& app, Arguments& arguments);
void add_change_commands(CLI::App& app, Arguments& arguments);
void add_secret_commands(CLI::App& app, Arguments& arguments);
void add_other_commands(CLI::App& app, Arguments& arguments);

}  // namespace tunesmith::cli
