#include "cli/apply_plan.h"

#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/json_view.h"
#include "workspace/workspace.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

constexpr const char* kServerOwned[] = {"uid",           "generation",      "creationTimestamp",
                                        "managedFields", "resourceVersion", "deletionTimestamp",
                                        "selfLink",      "finalizers",      "ownerReferences"};

constexpr const char* kRetry = "tunesmith.dev/retry";
constexpr const char* kSuspend = "tunesmith.dev/suspend";
constexpr const char* kSuspendedBy = "tunesmith.dev/suspended-by";  // how apply knows whose it is
constexpr const char* kByCommand = "command";

std::string annotation_of(const json& object, const char* name) {
  const json* annotations = member(object, "/metadata/annotations");
  if (annotations == nullptr || !annotations->is_object()) return "";
  const auto found = annotations->find(name);
  return found != annotations->end() && found->is_string() ? found->get<std::string>() : "";
}

// What commands wrote, a manifest that does not know of it does not take back.
void keep_annotations_of_commands(const json& stored, json& wanted) {
  const std::string retried = annotation_of(stored, kRetry);
  if (!retried.empty() && annotation_of(wanted, kRetry).empty()) {
    wanted["metadata"]["annotations"][kRetry] = retried;
  }
  const bool by_command = annotation_of(stored, kSuspendedBy) == kByCommand;
  if (by_command && annotation_of(wanted, kSuspend).empty()) {
    wanted["metadata"]["annotations"][kSuspend] = "true";
    wanted["metadata"]["annotations"][kSuspendedBy] = kByCommand;
  }
}

Result<void> check_not_deleted(const json& stored, const std::string& what) {
  if (member(stored, "/metadata/deletionTimestamp") == nullptr) return {};
  return permanent("BeingDeleted", "workspace.kaito.sh/" + text_at(stored, "/metadata/name") +
                                       " is being deleted and cannot be " + what);
}

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
  keep_annotations_of_commands(*stored, wanted);
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

Result<std::optional<std::string>> plan_suspend(const json& stored, bool suspended) {
  if (auto there = check_not_deleted(stored, suspended ? "suspended" : "resumed"); !there) {
    return tl::unexpected(there.error());
  }
  if (workspace::is_suspended(stored) == suspended) return std::nullopt;
  json object = stored;
  json& annotations = object["metadata"]["annotations"];
  if (!annotations.is_object()) annotations = json::object();
  annotations.erase(kSuspend);
  annotations.erase(kSuspendedBy);
  if (suspended) {
    annotations[kSuspend] = "true";
    annotations[kSuspendedBy] = kByCommand;
  }
  if (annotations.empty()) object["metadata"].erase("annotations");
  return object.dump();
}

Result<std::string> plan_retry(const json& stored, std::int64_t unix_seconds) {
  if (auto there = check_not_deleted(stored, "retried"); !there) {
    return tl::unexpected(there.error());
  }
  const std::string present = annotation_of(stored, kRetry);
  std::int64_t before = 0;
  const auto read = std::from_chars(present.data(), present.data() + present.size(), before);
  const bool is_number = read.ec == std::errc() && read.ptr == present.data() + present.size();
  // Two retries within a second, or a clock that was set back.
  if (is_number && before >= unix_seconds && before < std::numeric_limits<std::int64_t>::max()) {
    unix_seconds = before + 1;
  }
  json object = stored;
  json& annotations = object["metadata"]["annotations"];
  if (!annotations.is_object()) annotations = json::object();
  annotations[kRetry] = std::to_string(unix_seconds);
  return object.dump();
}

}  // namespace tunesmith::cli
