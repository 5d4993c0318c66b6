#include <nlohmann/json.hpp>

#include "cli/commands.h"

namespace tunesmith::cli {

Result<Target> parse_target(const std::vector<std::string>& arguments) {
  Target target;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const std::size_t slash = argument.find('/');
    const auto kind = kind_from(argument.substr(0, slash));
    if (slash != std::string::npos) {
      if (!kind || (i > 0 && *kind != target.kind)) {
        return permanent("UsageError",
                         "expected workspace/NAME or configmap/NAME, found '" + argument + "'");
      }
      target.kind = *kind;
      target.names.push_back(argument.substr(slash + 1));
    } else if (i == 0 && kind) {
      target.kind = *kind;
    } else {
      target.names.push_back(argument);
    }
  }
  return target;
}

Result<std::vector<std::string>> parse_workspace_names(const std::vector<std::string>& arguments) {
  auto target = parse_target(arguments);
  if (!target) return tl::unexpected(target.error());
  if (target->kind != Kind::kWorkspace || target->names.empty()) {
    return permanent("UsageError", "expected the names of Workspaces");
  }
  return std::move(target->names);
}

Result<std::string> parse_workspace_name(const std::vector<std::string>& arguments) {
  const auto target = parse_target(arguments);
  if (!target) return tl::unexpected(target.error());
  if (target->kind != Kind::kWorkspace || target->names.size() != 1) {
    return permanent("UsageError", "expected the name of one Workspace");
  }
  return target->names.front();
}

Result<std::pair<Session, nlohmann::json>> open_workspace(
    const CommandContext& context, const std::vector<std::string>& arguments) {
  const auto name = parse_workspace_name(arguments);
  if (!name) return tl::unexpected(name.error());
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  auto object = get_object(*session, Kind::kWorkspace, context.name_space, *name);
  if (!object) return tl::unexpected(object.error());
  return std::pair(std::move(*session), std::move(*object));
}

}  // namespace tunesmith::cli
