#include "planner/planned_before.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/http_client.h"

namespace tunesmith::planner {
namespace {

using nlohmann::json;

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool was_accepted(const json& status, std::int64_t generation) {
  const auto conditions = status.find("conditions");
  if (conditions == status.end() || !conditions->is_array()) {
    return false;
  }
  return std::any_of(conditions->begin(), conditions->end(), [&](const json& condition) {
    return condition.is_object() && text(condition, "type") == "PlanAccepted" &&
           text(condition, "status") == "True" &&
           condition.value("observedGeneration", json()) == generation;
  });
}

}  // namespace

std::optional<PlannedBefore> planned_before(const std::string& status_json,
                                            std::int64_t generation) {
  const json status = json::parse(status_json, nullptr, false);
  if (!status.is_object() || !was_accepted(status, generation)) {
    return std::nullopt;
  }
  const auto plan = status.find("plan");
  if (plan == status.end() || !plan->is_object()) {
    return std::nullopt;
  }
  PlannedBefore before{text(*plan, "modelRevision"), text(*plan, "instanceType"), {}};
  const auto data = plan->find("data");
  for (const json& entry : data != plan->end() && data->is_array() ? *data : json::array()) {
    if (!entry.is_object()) {
      continue;
    }
    auto& file = before.data.emplace_back();
    file.set_url(text(entry, "url"));
    file.set_etag(text(entry, "etag"));
    file.set_sha256(text(entry, "sha256"));
    const auto size = entry.find("sizeBytes");
    if (size != entry.end() && size->is_number_unsigned()) {
      file.set_size_bytes(size->get<std::uint64_t>());
    }
  }
  return before;
}

void restore(const PlannedBefore& before, Facts& facts) {
  for (std::size_t i = 0; i < std::min(before.data.size(), facts.data.size()); ++i) {
    auto& file = facts.data[i].file;
    const auto& planned = before.data[i];
    if (redact_url(file.url()) != planned.url()) {
      continue;
    }
    file.set_etag(planned.etag());
    file.set_sha256(planned.sha256());
    file.set_size_bytes(planned.size_bytes());
  }
}

}  // namespace tunesmith::planner
