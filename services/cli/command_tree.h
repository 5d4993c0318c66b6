// All commands with their arguments, help and examples. Parsing has no effect but `action`: what is
// to be done then.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/plan_command.h"
#include "cli/secret_commands.h"
#include "cli/stack_options.h"

namespace CLI {
class App;
}

namespace tunesmith::cli {

// Everything that can stand on the command line.
struct Arguments {
  std::string dir, name_space;
  std::string stack_file;
  std::vector<std::string> connect_to, allowed_hosts, allowed_data_paths, allowed_host_paths;
  StackOptions stack;
  std::vector<std::string> files, names;
  ValidateOptions validate;
  PlanOptions plan;
  GetOptions get;
  EventsOptions events;
  LogsOptions logs;
  DeleteOptions remove;
  DeadLetterOptions dead_letters;
  SecretOptions secret;
  std::string shell;
  std::string permissions_format = "nats-conf";
  std::vector<std::string> words;  // to be completed
  int ready_fd = -1;

  std::function<int()> action;  // returns the exit code
};

// Exit codes, also told by `tunesmith --help`.
inline constexpr int kFailed = 1, kUsage = 2, kNoBus = 3;
int exit_code_of(const Failure& failure);

// `arguments` outlives it. `program` is the name that help shows.
std::shared_ptr<CLI::App> make_command_tree(Arguments& arguments,
                                            const std::string& program = "tunesmith");

// The name under which this program was called: "kubectl tunesmith" for the plugin
// kubectl-tunesmith.
std::string program_name(const std::string& argv0);

}  // namespace tunesmith::cli
