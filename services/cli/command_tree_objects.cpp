// Commands that read manifests or tell about objects.
#include "cli/command_tree_parts.h"

namespace tunesmith::cli {
namespace {

void add_apply(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_object_command(
      app, arguments, "apply", "create or change Workspaces and ConfigMaps",
      {"-f workspace.yaml", "-f manifests/ -f more.yaml", "-f - < workspace.yaml"});
  add_files(*command, arguments.files)->required();
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    return apply(context, arguments.files, !arguments.name_space.empty());
  });
}

void add_validate(CLI::App& app, Arguments& arguments) {
  CLI::App* command =
      add_object_command(app, arguments, "validate",
                         "check manifests without sending them; needs no stack, asks nobody",
                         {"-f workspace.yaml", "-f manifests/ -o json"});
  add_files(*command, arguments.validate.files)->required();
  command
      ->add_option("--allow-data-host", arguments.validate.allowed_data_hosts,
                   "host that may have a private address")
      ->expected(1)
      ->take_all();
  command->add_option("-o,--output", arguments.validate.output, "json")
      ->check(CLI::IsMember({"json"}));
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    arguments.validate.namespace_given = !arguments.name_space.empty();
    return validate(context, arguments.validate);
  });
}

void add_plan(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_object_command(
      app, arguments, "plan",
      "what a Workspace would take: model, data, memory, time, cost; buys and applies nothing",
      {"-f workspace.yaml", "-f workspace.yaml -o json", "workspace my-workspace"});
  command->add_option("what", arguments.plan.arguments, "[workspace] NAME of an applied one");
  add_files(*command, arguments.plan.files);
  command->add_option("-o,--output", arguments.plan.output, "json or yaml")
      ->check(CLI::IsMember({"json", "yaml"}));
  command
      ->add_option("--timeout", arguments.plan.timeout_seconds,
                   "seconds to wait for model hub and data hosts")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    arguments.plan.namespace_given = !arguments.name_space.empty();
    return plan(context, arguments.plan);
  });
}

void add_get(CLI::App& app, Arguments& arguments) {
  CLI::App* command =
      add_object_command(app, arguments, "get", "list Workspaces (or configmaps)",
                         {"", "workspaces -A -o wide", "workspace my-workspace -o yaml", "-w"});
  command->add_option("what", arguments.get.arguments,
                      "[workspaces|configmaps] [NAME...], or workspace/NAME");
  command->add_option("-o,--output", arguments.get.output, "wide, yaml, json or name")
      ->check(CLI::IsMember({"wide", "yaml", "json", "name"}));
  command->add_flag("-A,--all-namespaces", arguments.get.all_namespaces, "of all namespaces");
  command->add_flag("-w,--watch", arguments.get.watch,
                    "go on with a row whenever something changes");
  on_call(*command, arguments,
          [&arguments](const CommandContext& context) { return get(context, arguments.get); });
}

void add_describe(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_object_command(
      app, arguments, "describe",
      "the whole story of a Workspace: plan, stages, waits, what failed and what to do, the image",
      {"my-workspace", "workspace my-workspace -n team"});
  command->add_option("name", arguments.names, "[workspace] NAME")->required();
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    return describe(context, arguments.names);
  });
}

void add_watch(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_object_command(
      app, arguments, "watch",
      "follow a Workspace to its end; exits with 0 = Succeeded, 1 = Failed", {"my-workspace"});
  command->add_option("name", arguments.names, "[workspace] NAME")->required();
  on_call(*command, arguments,
          [&arguments](const CommandContext& context) { return watch(context, arguments.names); });
}

void add_events(CLI::App& app, Arguments& arguments) {
  CLI::App* command =
      add_object_command(app, arguments, "events", "what the services announced",
                         {"my-workspace", "my-workspace -f", "my-workspace --timeline"});
  command->add_option("name", arguments.events.arguments, "[workspace] NAME");
  command->add_flag("-f,--follow", arguments.events.follow, "go on with new ones");
  command->add_option("-o,--output", arguments.events.output, "json")
      ->check(CLI::IsMember({"json"}));
  command->add_flag("--timeline", arguments.events.timeline,
                    "stages and waits as bars, attempts and incidents marked, with their times");
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    return events(context, arguments.events);
  });
}

void add_logs(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_object_command(
      app, arguments, "logs", "what the worker and its engine say while they train a Workspace",
      {"my-workspace", "my-workspace -f", "my-workspace --tail 20", "my-workspace --since 10m"});
  command->add_option("name", arguments.logs.arguments, "[workspace] NAME")->required();
  command->add_flag("-f,--follow", arguments.logs.follow,
                    "go on with new lines until the Workspace has ended");
  command->add_option("--tail", arguments.logs.tail, "only the last N lines (default: all)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--since", arguments.logs.since,
                      "only lines that are not older, e.g. 30s, 10m, 2h, or an RFC 3339 time");
  command->add_option("-o,--output", arguments.logs.output, "json")->check(CLI::IsMember({"json"}));
  on_call(*command, arguments,
          [&arguments](const CommandContext& context) { return logs(context, arguments.logs); });
}

}  // namespace

void add_manifest_commands(CLI::App& app, Arguments& arguments) {
  add_validate(app, arguments);
  add_plan(app, arguments);
  add_apply(app, arguments);
}

void add_object_commands(CLI::App& app, Arguments& arguments) {
  add_get(app, arguments);
  add_describe(app, arguments);
  add_watch(app, arguments);
  add_events(app, arguments);
  add_logs(app, arguments);
}

}  // namespace tunesmith::cli
