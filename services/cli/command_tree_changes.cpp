// Commands that change objects, secrets and dead letters.
#include "cli/command_tree_parts.h"

namespace tunesmith::cli {
namespace {

void add_named(CLI::App& app, Arguments& arguments, const std::string& name,
               const std::string& help,
               Result<int> (*run)(const CommandContext&, const std::vector<std::string>&)) {
  CLI::App* command =
      add_object_command(app, arguments, name, help, {"my-workspace", "workspace a b"});
  command->add_option("name", arguments.names, "[workspace] NAME...")->required();
  on_call(*command, arguments, [&arguments, run](const CommandContext& context) {
    return run(context, arguments.names);
  });
}

void add_delete(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_object_command(
      app, arguments, "delete", "delete Workspaces (or configmaps) and all that belongs to them",
      {"my-workspace", "configmap my-config", "-f workspace.yaml", "my-workspace --wait=false"});
  command->add_option("what", arguments.remove.arguments,
                      "[workspaces|configmaps] NAME..., or workspace/NAME");
  add_files(*command, arguments.remove.files);
  command->add_option("--wait", arguments.remove.wait, "wait until they are gone (default true)");
  command->add_flag("--ignore-not-found", arguments.remove.ignore_not_found,
                    "what is not there is no error");
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    return remove(context, arguments.remove);
  });
}

void add_dead_letter(CLI::App& letters, Arguments& arguments, const std::string& name,
                     const std::string& help, const std::string& example,
                     Result<int> (*run)(const CommandContext&, const DeadLetterOptions&)) {
  CLI::App* command = add_command(letters, arguments, name, help, {example});
  command->add_option("number", arguments.dead_letters.numbers, "NUMBER... of the list")
      ->required();
  on_call(*command, arguments, [&arguments, run](const CommandContext& context) {
    return run(context, arguments.dead_letters);
  });
}

void add_dead_letters(CLI::App& app, Arguments& arguments) {
  CLI::App* letters = add_group(app, "dlq", "the dead letters: events that nobody could handle");
  CLI::App* command = add_command(*letters, arguments, "list",
                                  "list them, oldest first (the newest 1000)", {"", "-o json"});
  command->add_option("-o,--output", arguments.dead_letters.output, "json")
      ->check(CLI::IsMember({"json"}));
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    return list_dead_letters(context, arguments.dead_letters);
  });
  add_dead_letter(*letters, arguments, "show", "one of them whole: event, reason, content", "7",
                  show_dead_letters);
  add_dead_letter(*letters, arguments, "replay",
                  "publish their events again, when what made them fail is mended", "7 8",
                  replay_dead_letters);
  add_dead_letter(*letters, arguments, "drop", "remove them from the list for good", "7",
                  drop_dead_letters);
}

void add_secret_set(CLI::App& secrets, Arguments& arguments) {
  CLI::App* command = add_object_command(
      secrets, arguments, "set",
      "write a secret; values come from files or standard input, never from the command line",
      {"push --docker-server registry.example.com --docker-username me --password-stdin < file",
       "data-token --key token --stdin < file", "hub --from-file HF_TOKEN=token.txt"});
  auto& secret = arguments.secret;
  command->add_option("name", secret.name, "NAME of the secret")->required();
  auto* server = command->add_option("--docker-server", secret.docker_server,
                                     "registry HOST[:PORT] this login is for");
  auto* user = command->add_option("--docker-username", secret.docker_username, "its user");
  auto* password = command->add_flag("--password-stdin", secret.password_stdin,
                                     "read the password from standard input");
  // In a ring: CLI11 tells several needs in no certain order.
  server->needs(user);
  user->needs(password);
  password->needs(server);
  command
      ->add_option("--from-file", secret.from_files,
                   "KEY=PATH: the file's content as the value of KEY; may be repeated")
      ->expected(1)
      ->take_all();
  auto* key = command->add_option("--key", secret.key, "KEY whose value --stdin gives");
  auto* input =
      command
          ->add_flag("--stdin", secret.value_stdin, "read the value of --key from standard input")
          ->excludes(password);
  key->needs(input);
  input->needs(key);
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    return set_secret(context, arguments.secret);
  });
}

}  // namespace

void add_change_commands(CLI::App& app, Arguments& arguments) {
  add_named(app, arguments, "suspend",
            "stop Workspaces and give their nodes back; what was trained is kept", suspend);
  add_named(app, arguments, "resume", "let suspended Workspaces go on", resume);
  add_named(app, arguments, "retry", "try Workspaces once more, when what made them fail is mended",
            retry);
  add_delete(app, arguments);
  add_dead_letters(app, arguments);
}

void add_secret_commands(CLI::App& app, Arguments& arguments) {
  CLI::App* secrets = add_group(
      app, "secret", "secrets of the local stack: logins of registries, tokens of data and models");
  add_secret_set(*secrets, arguments);
  CLI::App* command = add_object_command(*secrets, arguments, "list",
                                         "names and keys, never values", {"", "-n team"});
  on_call(*command, arguments, [](const CommandContext& context) { return list_secrets(context); });
  command = add_object_command(*secrets, arguments, "delete", "delete a secret", {"push"});
  command->add_option("name", arguments.secret.name, "NAME of the secret")->required();
  on_call(*command, arguments, [&arguments](const CommandContext& context) {
    return delete_secret(context, arguments.secret);
  });
}

}  // namespace tunesmith::cli
