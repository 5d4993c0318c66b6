#include "cli/apply_plan.h"

#include <nlohmann/json.hpp>

#include "cli/json_view.h"
#include "workspace/workspace.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

constexpr const char* kServerOwned[] = {"uid",           "generation",      "creationTimestamp",
                                        "managedFields", "resourceVersion", "deletionTimestamp",
                                        "selfLink",      "finalizers",      "ownerReferences"};

json without_server_fields(json object) {
  object.erase("status");
  for (const char* field : kServerOwned) object["metadata"].erase(field);
  if (text_at(object, "/metadata/namespace").empty()) object["metadata"]["namespace"] = "default";
  for (const char* map : {"labels", "annotations"}) {  // null and {} say the same as nothing
    const json* value = member(object, std::string("/metadata/") + map);
    if (value != nullptr && value->empty()) object["metadata"].erase(map);
  }
  return object;
}

Result<ApplyPlan> plan_apply(json wanted, const json* stored, const std::string& uid,
                             const std::string& now, const std::string& what,
                             bool (*same_spec)(const json&, const json&)) {
  if (stored == nullptr) {
    wanted["metadata"]["uid"] = uid;
    wanted["metadata"]["generation"] = 1;
    wanted["metadata"]["creationTimestamp"] = now;
    return ApplyPlan{Change::kCreated, wanted.dump()};
  }
  if (member(*stored, "/metadata/deletionTimestamp") != nullptr) {
    return permanent("BeingDeleted", what + " is being deleted; apply it again when it is gone");
  }
  const bool same = same_spec(*stored, wanted);
  if (same && without_server_fields(*stored) == wanted) return ApplyPlan{};
  const std::int64_t generation = integer_at(*stored, "/metadata/generation");
  wanted["metadata"]["uid"] = text_at(*stored, "/metadata/uid");
  wanted["metadata"]["generation"] = same ? generation : generation + 1;
  wanted["metadata"]["creationTimestamp"] = text_at(*stored, "/metadata/creationTimestamp");
  return ApplyPlan{Change::kConfigured, wanted.dump()};
}

bool same_data(const json& a, const json& b) {
  const json* left = member(a, "/data");
  const json* right = member(b, "/data");
  return left != nullptr && right != nullptr ? *left == *right : left == right;
}

}  // namespace

const char* word_of(Change change) {
  switch (change) {
    case Change::kCreated:
      return "created";
    case Change::kConfigured:
      return "configured";
    case Change::kUnchanged:
      return "unchanged";
  }
  return "unchanged";
}

Result<ApplyPlan> plan_apply_workspace(const json& manifest, const json* stored,
                                       const std::string& uid, const std::string& now) {
  return plan_apply(without_server_fields(workspace::with_defaults(manifest)), stored, uid, now,
                    "workspace.kaito.sh/" + text_at(manifest, "/metadata/name"),
                    workspace::spec_equal);
}

Result<ApplyPlan> plan_apply_config_map(const json& manifest, const json* stored,
                                        const std::string& uid, const std::string& now) {
  return plan_apply(without_server_fields(manifest), stored, uid, now,
                    "configmap/" + text_at(manifest, "/metadata/name"), same_data);
}

std::optional<std::string> plan_delete(const json& stored, const std::string& now) {
  if (member(stored, "/metadata/deletionTimestamp") != nullptr) return std::nullopt;
  json object = stored;
  object["metadata"]["deletionTimestamp"] = now;
  return object.dump();
}

}  // namespace tunesmith::cli
