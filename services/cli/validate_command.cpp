// `tunesmith validate`.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/manifest_check.h"
#include "cli/stack_state.h"
#include "runtime/config.h"

namespace tunesmith::cli {
namespace {

// What the stack of this folder lets through, when there is one.
workspace::ValidationOptions rules_of_stack(const CommandContext& context) {
  workspace::ValidationOptions rules;
  const auto file = StackPaths{context.dir}.config("cli.yaml");
  if (!std::filesystem::exists(file)) return rules;
  auto config =
      ConfigReader::open(file, [](const std::string&) { return std::optional<std::string>(); });
  if (!config) return rules;
  const auto hosts = config->texts("allowed_data_hosts", {});
  rules.allowed_data_hosts = {hosts.begin(), hosts.end()};
  rules.allowed_data_paths = config->texts("allowed_data_paths", {});
  rules.allowed_host_paths = config->texts("allowed_host_paths", {});
  return rules;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string called(const CheckedDocument& document) {
  if (document.kind.empty()) return document.where;
  const Kind kind = document.kind == "Workspace" ? Kind::kWorkspace : Kind::kConfigMap;
  return document.where + ": " + shown_name(kind, document.name);
}

}  // namespace

Result<int> validate(const CommandContext& context, const ValidateOptions& options) {
  const Documents documents =
      read_documents(options.files, context.name_space, options.namespace_given);
  auto rules = rules_of_stack(context);
  rules.allowed_data_hosts.insert(options.allowed_data_hosts.begin(),
                                  options.allowed_data_hosts.end());
  const auto checked = check_documents(documents, rules);
  if (checked.empty()) return permanent("UsageError", "the files hold no objects");
  bool valid = true;
  for (const CheckedDocument& one : checked) {
    valid = valid && one.errors.empty();
    if (options.output == "json") continue;
    for (const std::string& warning : one.warnings) {
      context.err << "Warning: " << called(one) << ": " << one_line(warning) << "\n";
    }
    for (const std::string& error : one.errors) {
      context.err << "error: " << called(one) << ": " << one_line(error) << "\n";
    }
    if (one.errors.empty()) context.out << called(one) << " is valid\n";
  }
  if (options.output == "json") {
    context.out << checks_json(checked).dump(4, ' ', false,
                                             nlohmann::json::error_handler_t::replace)
                << "\n";
  }
  return valid ? 0 : 1;
}

}  // namespace tunesmith::cli
