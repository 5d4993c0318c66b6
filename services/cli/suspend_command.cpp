// `tunesmith suspend` and `tunesmith resume`.
#include <nlohmann/json.hpp>

#include "cli/apply_plan.h"
#include "cli/commands.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

Result<int> change(const CommandContext& context, const std::vector<std::string>& arguments,
                   bool suspended) {
  const auto names = parse_workspace_names(arguments);
  if (!names) return tl::unexpected(names.error());
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  int failed = 0;
  for (const std::string& name : *names) {
    bool changed = false;
    const auto written =
        change_object(*session, Kind::kWorkspace, context.name_space, name,
                      [&](const json& stored) -> Result<std::optional<std::string>> {
                        auto planned = plan_suspend(stored, suspended);
                        changed = planned && *planned;
                        return planned;
                      });
    if (!written) {
      context.err << "error: " << written.error().message << "\n";
      ++failed;
      continue;
    }
    const char* word = suspended ? "suspended" : "resumed";
    context.out << shown_name(Kind::kWorkspace, name) << " " << (changed ? word : "unchanged")
                << std::endl;
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace

Result<int> suspend(const CommandContext& context, const std::vector<std::string>& arguments) {
  return change(context, arguments, true);
}

Result<int> resume(const CommandContext& context, const std::vector<std::string>& arguments) {
  return change(context, arguments, false);
}

}  // namespace tunesmith::cli
