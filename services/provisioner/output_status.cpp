#include "provisioner/output_status.h"

#include <nlohmann/json.hpp>

namespace tunesmith::provisioner {
namespace {

using nlohmann::json;

std::string text(const json& status, const char* part, const char* name) {
  if (!status.is_object() || !status.contains(part) || !status[part].is_object()) {
    return {};
  }
  const auto found = status[part].find(name);
  return found != status[part].end() && found->is_string() ? found->get<std::string>()
                                                           : std::string();
}

}  // namespace

OutputStatus output_status_from_json(const std::string& text_json) {
  const json status = json::parse(text_json, nullptr, false);
  return {text(status, "output", "image"), text(status, "output", "digest"),
          text(status, "tuning", "tuningKey")};
}

Result<OutputStatus> output_status(bus::KeyValue& workspaces,
                                   const events::v1::WorkspaceRef& workspace) {
  const auto entry = workspaces.get("status." + workspace.namespace_() + "." + workspace.name());
  if (!entry) {
    return tl::unexpected(entry.error());
  }
  return *entry ? output_status_from_json((*entry)->value) : OutputStatus{};
}

}  // namespace tunesmith::provisioner
