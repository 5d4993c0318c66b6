// tunesmith: the command people type.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/commands.h"
#include "cli/nats_access.h"
#include "cli/stack_commands.h"
#include "cli/stack_options.h"
#include "cli/supervisor.h"
#include "runtime/shutdown.h"

namespace tunesmith::cli {
namespace {

constexpr int kFailed = 1, kUsage = 2;

// Everything that can stand on the command line.
struct Arguments {
  std::string dir, name_space;
  std::string stack_file;
  std::vector<std::string> connect_to, allowed_hosts, allowed_host_paths;
  StackOptions stack;
  std::vector<std::string> files;
  GetOptions get;
  std::vector<std::string> names;
  EventsOptions events;
  DeleteOptions remove;
  DeadLetterOptions dead_letters;
  std::string permissions_format = "nats-conf";
  int ready_fd = -1;
};

int complain(const Failure& failure) {
  std::cerr << "error: " << failure.message << std::endl;
  return failure.reason == "UsageError" ? kUsage : kFailed;
}

int exit_code(const Result<void>& result) { return result ? 0 : complain(result.error()); }

// Runs a command with Ctrl-C as a stop.
int run(const Arguments& arguments,
        const std::function<Result<int>(const CommandContext& context)>& command) {
  Shutdown shutdown;
  CommandContext context{
      .dir = stack_dir(arguments.dir),
      .name_space = arguments.name_space.empty() ? "default" : arguments.name_space,
      .out = std::cout,
      .err = std::cerr,
      .stop = shutdown.token(),
      .terminal = ::isatty(STDOUT_FILENO) == 1};
  const auto result = command(context);
  return result ? *result : complain(result.error());
}

int run_up(Arguments& arguments) {
  StackOptions options = arguments.stack;
  options.dir = stack_dir(arguments.dir);
  if (!arguments.stack_file.empty()) {
    StackOptions from_file;
    if (auto read = read_stack_options(arguments.stack_file, from_file); !read) {
      return complain(read.error());
    }
    // What the command line says wins over the file.
    if (options.workers == 0) options.workers = from_file.workers;
    if (options.model_hub.empty()) options.model_hub = from_file.model_hub;
    if (options.ca_file.empty()) options.ca_file = from_file.ca_file;
    if (options.log_level.empty()) options.log_level = from_file.log_level;
    options.bus_storage_bytes = from_file.bus_storage_bytes;
    options.connect_to = from_file.connect_to;
    options.allowed_data_hosts = from_file.allowed_data_hosts;
    options.allowed_host_paths = from_file.allowed_host_paths;
  }
  if (options.workers == 0) options.workers = 1;
  if (options.log_level.empty()) options.log_level = "info";
  for (const std::string& text : arguments.connect_to) {
    if (auto added = add_connect_to(options, text); !added) return complain(added.error());
  }
  for (const std::string& host : arguments.allowed_hosts) {
    options.allowed_data_hosts.push_back(host);
  }
  for (const std::string& folder : arguments.allowed_host_paths) {
    options.allowed_host_paths.push_back(std::filesystem::absolute(folder).lexically_normal());
  }
  return exit_code(up(options, std::cout));
}

CLI::App* add_command(CLI::App& app, Arguments& arguments, const std::string& name,
                      const std::string& help) {
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("--dir", arguments.dir,
                      "folder of the local stack (default: $TUNESMITH_HOME or ~/.tunesmith)");
  return command;
}

CLI::App* add_object_command(CLI::App& app, Arguments& arguments, const std::string& name,
                             const std::string& help) {
  CLI::App* command = add_command(app, arguments, name, help);
  command->add_option("-n,--namespace", arguments.name_space, "namespace (default: default)");
  return command;
}

void add_stack_commands(CLI::App& app, Arguments& arguments, int& code) {
  CLI::App* start = add_command(app, arguments, "up",
                                "start the local stack: nats-server, a registry, the services");
  start->add_option("--config", arguments.stack_file, "YAML file with these options as keys");
  start->add_option("--workers", arguments.stack.workers, "trainings at a time (default 1)")
      ->check(CLI::Range(1, 64));
  start->add_option("--model-hub", arguments.stack.model_hub,
                    "URL of the model hub (default https://huggingface.co)");
  start
      ->add_option("--connect-to", arguments.connect_to,
                   "HOST:PORT=ADDRESS:PORT: connect there instead, like curl's")
      ->expected(1)
      ->take_all();
  start
      ->add_option("--allow-data-host", arguments.allowed_hosts,
                   "host that may have a private address")
      ->expected(1)
      ->take_all();
  start
      ->add_option("--allow-host-path", arguments.allowed_host_paths,
                   "folder that Workspaces may read and write as hostPath volumes")
      ->expected(1)
      ->take_all();
  start->add_option("--ca-file", arguments.stack.ca_file, "additional certificate authorities");
  start->add_option("--nats-server", arguments.stack.nats_server, "path of nats-server");
  start->add_option("--log-level", arguments.stack.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  start->callback([&] { code = run_up(arguments); });

  add_command(app, arguments, "down", "stop the local stack")->callback([&] {
    code = exit_code(down(stack_dir(arguments.dir), std::cout));
  });

  CLI::App* supervisor = add_command(app, arguments, "supervise", "");
  supervisor->group("");  // hidden: `up` starts it
  supervisor->add_option("--ready-fd", arguments.ready_fd);
  supervisor->callback([&] { code = supervise(stack_dir(arguments.dir), arguments.ready_fd); });

  CLI::App* bus = app.add_subcommand("bus", "the message bus");
  bus->require_subcommand(1);
  add_command(*bus, arguments, "init", "create all streams and buckets that are missing")
      ->callback([&] { code = run(arguments, bus_init); });
  CLI::App* permissions = bus->add_subcommand(
      "permissions", "what each user may do on the bus, for another nats-server's configuration");
  permissions->add_option("--format", arguments.permissions_format, "nats-conf or markdown")
      ->check(CLI::IsMember({"nats-conf", "markdown"}));
  permissions->callback(
      [&] { std::cout << bus_permissions(arguments.permissions_format == "markdown"); });
}

void add_repair_commands(CLI::App& app, Arguments& arguments, int& code) {
  CLI::App* command = add_object_command(
      app, arguments, "retry", "try Workspaces once more, when what made them fail is mended");
  command->add_option("name", arguments.names, "NAME...")->required();
  command->callback([&] {
    code = run(arguments,
               [&](const CommandContext& context) { return retry(context, arguments.names); });
  });

  CLI::App* letters =
      app.add_subcommand("dlq", "the dead letters: events that nobody could handle");
  letters->require_subcommand(1);
  command = add_command(*letters, arguments, "list", "list them, oldest first (the newest 1000)");
  command->add_option("-o,--output", arguments.dead_letters.output, "json")
      ->check(CLI::IsMember({"json"}));
  command->callback([&] {
    code = run(arguments, [&](const CommandContext& context) {
      return list_dead_letters(context, arguments.dead_letters);
    });
  });
  command = add_command(*letters, arguments, "replay", "publish their events again");
  command->add_option("number", arguments.dead_letters.numbers, "NUMBER... of the list")
      ->required();
  command->callback([&] {
    code = run(arguments, [&](const CommandContext& context) {
      return replay_dead_letters(context, arguments.dead_letters);
    });
  });
}

void add_object_commands(CLI::App& app, Arguments& arguments, int& code) {
  CLI::App* command =
      add_object_command(app, arguments, "apply", "create or change Workspaces and ConfigMaps");
  command->add_option("-f,--filename", arguments.files, "manifest, - for standard input")
      ->required()
      ->expected(1)
      ->take_all();
  command->callback([&] {
    code = run(arguments, [&](const CommandContext& context) {
      return apply(context, arguments.files, !arguments.name_space.empty());
    });
  });

  command = add_object_command(app, arguments, "get", "list Workspaces (or configmaps)");
  command->add_option("what", arguments.get.arguments, "[workspaces|configmaps] [NAME...]");
  command->add_option("-o,--output", arguments.get.output, "wide, yaml, json or name")
      ->check(CLI::IsMember({"wide", "yaml", "json", "name"}));
  command->add_flag("-A,--all-namespaces", arguments.get.all_namespaces, "of all namespaces");
  command->callback([&] {
    code =
        run(arguments, [&](const CommandContext& context) { return get(context, arguments.get); });
  });

  command = add_object_command(app, arguments, "describe", "tell the whole story of a Workspace");
  command->add_option("name", arguments.names, "NAME")->required();
  command->callback([&] {
    code = run(arguments,
               [&](const CommandContext& context) { return describe(context, arguments.names); });
  });

  command = add_object_command(app, arguments, "watch",
                               "follow a Workspace to its end; 0 = Succeeded, 1 = Failed");
  command->add_option("name", arguments.names, "NAME")->required();
  command->callback([&] {
    code = run(arguments,
               [&](const CommandContext& context) { return watch(context, arguments.names); });
  });

  command = add_object_command(app, arguments, "events", "what the services announced");
  command->add_option("name", arguments.events.arguments, "NAME of a Workspace");
  command->add_flag("-f,--follow", arguments.events.follow, "go on with new ones");
  command->add_option("-o,--output", arguments.events.output, "json")
      ->check(CLI::IsMember({"json"}));
  command->callback([&] {
    code = run(arguments,
               [&](const CommandContext& context) { return events(context, arguments.events); });
  });

  command = add_object_command(app, arguments, "delete", "delete Workspaces (or configmaps)");
  command->add_option("what", arguments.remove.arguments, "[workspaces|configmaps] NAME...");
  command->add_option("-f,--filename", arguments.remove.files, "manifest, - for standard input")
      ->expected(1)
      ->take_all();
  command->add_option("--wait", arguments.remove.wait, "wait until they are gone (default true)");
  command->add_flag("--ignore-not-found", arguments.remove.ignore_not_found,
                    "what is not there is no error");
  command->callback([&] {
    code = run(arguments,
               [&](const CommandContext& context) { return remove(context, arguments.remove); });
  });
}

int main_of(int argc, char** argv) {
  CLI::App app{"Fine-tunes models as Workspaces ask for it", "tunesmith"};
  app.set_version_flag("--version", std::string("tunesmith ") + TUNESMITH_VERSION);
  app.require_subcommand(1);
  Arguments arguments;
  arguments.stack.workers = 0;
  arguments.stack.log_level.clear();
  int code = 0;
  add_stack_commands(app, arguments, code);
  add_object_commands(app, arguments, code);
  add_repair_commands(app, arguments, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, std::cout, std::cerr) == 0 ? 0 : kUsage;
  }
  return code;
}

}  // namespace
}  // namespace tunesmith::cli

int main(int argc, char** argv) { return tunesmith::cli::main_of(argc, argv); }
