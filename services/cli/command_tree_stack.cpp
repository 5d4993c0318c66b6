// The local stack, and what is about the command itself.
#include <iostream>

#include "cli/command_tree_parts.h"
#include "cli/completion.h"
#include "cli/nats_access.h"
#include "cli/reference_text.h"
#include "cli/stack_commands.h"
#include "cli/supervisor.h"

namespace tunesmith::cli {
namespace {

int exit_code(const Result<void>& result) { return result ? 0 : complain(result.error()); }

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
    options.connect_to = from_file.connect_to;
    options.allowed_data_hosts = from_file.allowed_data_hosts;
    options.allowed_host_paths = from_file.allowed_host_paths;
    options.allowed_data_paths = from_file.allowed_data_paths;
    options.bus_storage_bytes = from_file.bus_storage_bytes;
  }
  if (options.workers == 0) options.workers = 1;
  if (options.log_level.empty()) options.log_level = "info";
  for (const std::string& text : arguments.connect_to) {
    if (auto added = add_connect_to(options, text); !added) return complain(added.error());
  }
  for (const std::string& host : arguments.allowed_hosts) {
    options.allowed_data_hosts.push_back(host);
  }
  for (const std::string& folder : arguments.allowed_data_paths) {
    options.allowed_data_paths.push_back(std::filesystem::absolute(folder).lexically_normal());
  }
  for (const std::string& folder : arguments.allowed_host_paths) {
    options.allowed_host_paths.push_back(std::filesystem::absolute(folder).lexically_normal());
  }
  return exit_code(up(options, std::cout));
}

void add_up(CLI::App& app, Arguments& arguments) {
  CLI::App* start = add_command(app, arguments, "up",
                                "start the local stack: nats-server, a registry, the services",
                                {"", "--workers 2", "--dir /srv/tunesmith --config stack.yaml"});
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
      ->add_option("--allow-data-path", arguments.allowed_data_paths,
                   "folder whose files Workspaces may name as file:// data")
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
  start->callback([&] { arguments.action = [&] { return run_up(arguments); }; });
}

}  // namespace

void add_stack_commands(CLI::App& app, Arguments& arguments) {
  add_up(app, arguments);
  add_command(app, arguments, "down", "stop the local stack; its state stays", {""})->callback([&] {
    arguments.action = [&] { return exit_code(down(stack_dir(arguments.dir), std::cout)); };
  });

  CLI::App* supervisor = add_command(app, arguments, "supervise", "", {});
  supervisor->group("");  // hidden: `up` starts it
  supervisor->add_option("--ready-fd", arguments.ready_fd);
  supervisor->callback([&] {
    arguments.action = [&] { return supervise(stack_dir(arguments.dir), arguments.ready_fd); };
  });

  CLI::App* bus = add_group(app, "bus", "the message bus");
  on_call(
      *add_command(*bus, arguments, "init",
                   "create all streams and buckets that are missing; changes what differs", {""}),
      arguments, bus_init);
  CLI::App* permissions = bus->add_subcommand(
      "permissions", "what each user may do on the bus, for another nats-server's configuration");
  permissions->footer(
      "Examples:\n  tunesmith bus permissions\n  tunesmith bus permissions --format markdown");
  permissions->add_option("--format", arguments.permissions_format, "nats-conf or markdown")
      ->check(CLI::IsMember({"nats-conf", "markdown"}));
  permissions->callback([&] {
    arguments.action = [&] {
      std::cout << bus_permissions(arguments.permissions_format == "markdown");
      return 0;
    };
  });
}

void add_other_commands(CLI::App& app, Arguments& arguments) {
  CLI::App* shell = app.add_subcommand(
      "completion", "the script with which a shell completes commands, flags and names");
  shell->footer(
      "Examples:\n  source <(tunesmith completion bash)\n"
      "  tunesmith completion zsh > \"${fpath[1]}/_tunesmith\"\n"
      "  tunesmith completion fish > ~/.config/fish/completions/tunesmith.fish");
  shell->add_option("shell", arguments.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  shell->callback([&] {
    arguments.action = [&] {
      std::cout << completion_script(arguments.shell);
      return 0;
    };
  });

  // What those scripts call: the words before the cursor, the last one unfinished.
  CLI::App* complete = add_command(app, arguments, "__complete", "", {});
  complete->group("");
  complete->add_option("words", arguments.words);
  on_call(*complete, arguments, [&arguments](const CommandContext& context) {
    return complete_words(context, arguments.words);
  });

  CLI::App* reference = app.add_subcommand("__reference", "");
  reference->group("");  // how docs/cli.md is made
  reference->callback([&] {
    arguments.action = [] {
      std::cout << reference_text();
      return 0;
    };
  });

  app.add_subcommand("version", "the version of this command")->callback([&] {
    arguments.action = [] {
      std::cout << "tunesmith " << TUNESMITH_VERSION << "\n";
      return 0;
    };
  });
}

}  // namespace tunesmith::cli
