// The commands that work on objects. Each prints its result and returns the exit code; a Failure is
// printed by the caller as one sentence.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/session.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// Validates every document of every file ("-" = standard input), then sends: ConfigMaps first,
// Workspaces after them.
Result<int> apply(const CommandContext& context, const std::vector<std::string>& files,
                  bool namespace_given);

struct ValidateOptions {
  std::vector<std::string> files, allowed_data_hosts;
  std::string output;  // "" or json
  bool namespace_given = false;
};
// Checks manifests without a stack; 1 when one of them is refused.
Result<int> validate(const CommandContext& context, const ValidateOptions& options);

struct GetOptions {
  std::vector<std::string> arguments;  // [KIND] [NAME…], KIND/NAME
  std::string output;                  // "", wide, json, yaml, name
  bool all_namespaces = false;
  bool watch = false;
};
Result<int> get(const CommandContext& context, const GetOptions& options);

Result<int> describe(const CommandContext& context, const std::vector<std::string>& arguments);

// Follows the status until Succeeded (0) or Failed (1); also 1 when the Workspace is deleted or at
// Ctrl-C.
Result<int> watch(const CommandContext& context, const std::vector<std::string>& arguments);

struct EventsOptions {
  std::vector<std::string> arguments;  // [NAME]
  bool follow = false;
  std::string output;  // "" or json
  bool timeline = false;
};
Result<int> events(const CommandContext& context, const EventsOptions& options);

struct LogsOptions {
  std::vector<std::string> arguments;  // NAME
  bool follow = false;
  std::int64_t tail = -1;  // -1 = all
  std::string since;       // "10m" or RFC 3339
  std::string output;      // "" or json
};
// With `follow`: until the Workspace has ended, then 0.
Result<int> logs(const CommandContext& context, const LogsOptions& options);

struct DeleteOptions {
  std::vector<std::string> arguments;
  std::vector<std::string> files;
  bool wait = true;
  bool ignore_not_found = false;
};
Result<int> remove(const CommandContext& context, const DeleteOptions& options);

// Has the Workspaces tried once more as they stand: a new pass of the same generation.
// Waits a little until the watcher has begun it.
Result<int> retry(const CommandContext& context, const std::vector<std::string>& arguments);

// Stops Workspaces, or lets them go on, by the annotation `tunesmith.dev/suspend`.
Result<int> suspend(const CommandContext& context, const std::vector<std::string>& arguments);
Result<int> resume(const CommandContext& context, const std::vector<std::string>& arguments);

struct DeadLetterOptions {
  std::string output;                // list: "" or json
  std::vector<std::string> numbers;  // replay
};
Result<int> list_dead_letters(const CommandContext& context, const DeadLetterOptions& options);
Result<int> show_dead_letters(const CommandContext& context, const DeadLetterOptions& options);
Result<int> drop_dead_letters(const CommandContext& context, const DeadLetterOptions& options);
// Publishes the events of these dead letters again; the letters stay in the list.
Result<int> replay_dead_letters(const CommandContext& context, const DeadLetterOptions& options);

Result<int> bus_init(const CommandContext& context);

// What a command's arguments name: "[KIND] NAME…" or "KIND/NAME…"; without a kind, Workspaces are
// meant. Permanent `UsageError`.
struct Target {
  Kind kind = Kind::kWorkspace;
  std::vector<std::string> names;  // empty = all
};
Result<Target> parse_target(const std::vector<std::string>& arguments);
// The same for one Workspace or several.
Result<std::vector<std::string>> parse_workspace_names(const std::vector<std::string>& arguments);
// The same for exactly one Workspace.
Result<std::string> parse_workspace_name(const std::vector<std::string>& arguments);

// The session and the object of the one Workspace that the arguments name.
Result<std::pair<Session, nlohmann::json>> open_workspace(
    const CommandContext& context, const std::vector<std::string>& arguments);

}  // namespace tunesmith::cli
