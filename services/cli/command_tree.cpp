#include "cli/command_tree.h"

#include <unistd.h>

#include <iostream>

#include "cli/command_tree_parts.h"
#include "cli/style.h"
#include "runtime/shutdown.h"

namespace tunesmith::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 failed (one sentence on standard error says why and what to do), 2 the "
    "command line\nis not understood, 3 no stack, or its bus cannot be reached.\n"
    "Every command: --help with examples. Colours only on a terminal, never with NO_COLOR.";

std::string name_in_help(const CLI::App& app) {
  std::string name;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    if (!name.empty()) name.insert(0, " ");
    name.insert(0, at->get_name());
  }
  return name;
}

}  // namespace

int exit_code_of(const Failure& failure) {
  if (failure.reason == "UsageError") return kUsage;
  for (const char* reason : {"NoStack", "BusUnavailable", "BusAuthentication"}) {
    if (failure.reason == reason) return kNoBus;
  }
  return kFailed;
}

int complain(const Failure& failure) {
  const Style style = Style::of(STDERR_FILENO);
  std::cerr << style.bad("error:") << " " << failure.message << std::endl;
  return exit_code_of(failure);
}

void on_call(CLI::App& command, Arguments& arguments,
             std::function<Result<int>(const CommandContext& context)> run) {
  command.callback([&arguments, run = std::move(run)] {
    arguments.action = [&arguments, run] {
      Shutdown shutdown;
      const CommandContext context{
          .dir = stack_dir(arguments.dir),
          .name_space = arguments.name_space.empty() ? "default" : arguments.name_space,
          .out = std::cout,
          .err = std::cerr,
          .stop = shutdown.token(),
          .terminal = ::isatty(STDOUT_FILENO) == 1,
          .colours = Style::of(STDOUT_FILENO).colours()};
      const auto result = run(context);
      return result ? *result : complain(result.error());
    };
  });
}

CLI::App* add_command(CLI::App& app, Arguments& arguments, const std::string& name,
                      const std::string& help, const std::vector<std::string>& examples) {
  CLI::App* command = app.add_subcommand(name, help);
  command->group(app.get_group());
  command->add_option("--dir", arguments.dir,
                      "folder of the local stack (default: $TUNESMITH_HOME or ~/.tunesmith)");
  std::string footer;
  for (const std::string& example : examples) {
    footer += (footer.empty() ? "Examples:\n  " : "\n  ") + name_in_help(*command) +
              (example.empty() ? "" : " " + example);
  }
  if (!footer.empty()) command->footer(footer);
  return command;
}

CLI::App* add_object_command(CLI::App& app, Arguments& arguments, const std::string& name,
                             const std::string& help, const std::vector<std::string>& examples) {
  CLI::App* command = add_command(app, arguments, name, help, examples);
  command->add_option("-n,--namespace", arguments.name_space, "namespace (default: default)");
  return command;
}

CLI::App* add_group(CLI::App& app, const std::string& name, const std::string& help) {
  CLI::App* group = app.add_subcommand(name, help);
  group->require_subcommand(1);
  return group;
}

CLI::Option* add_files(CLI::App& command, std::vector<std::string>& files) {
  return command
      .add_option("-f,--filename", files,
                  "manifest, a folder of manifests, or - for standard input; may be repeated")
      ->expected(1)
      ->take_all();
}

std::shared_ptr<CLI::App> make_command_tree(Arguments& arguments, const std::string& program) {
  auto app = std::make_shared<CLI::App>("Fine-tunes models as Workspaces ask for it", program);
  app->set_version_flag("--version", std::string("tunesmith ") + TUNESMITH_VERSION);
  app->require_subcommand(1);
  app->footer(kExitCodes);
  arguments.stack.workers = 0;
  arguments.stack.log_level.clear();
  add_manifest_commands(*app, arguments);
  add_object_commands(*app, arguments);
  add_change_commands(*app, arguments);
  add_secret_commands(*app, arguments);
  add_stack_commands(*app, arguments);
  add_other_commands(*app, arguments);
  return app;
}

std::string program_name(const std::string& argv0) {
  const std::string name = argv0.substr(argv0.rfind('/') + 1);
  return name.starts_with("kubectl-") ? "kubectl " + name.substr(8) : "tunesmith";
}

}  // namespace tunesmith::cli
