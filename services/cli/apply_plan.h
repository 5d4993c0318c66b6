// What applying a manifest makes of the stored object: the part of Kubernetes' API server that the
// CLI plays without Kubernetes. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "runtime/result.h"

namespace tunesmith::cli {

enum class Change { kCreated, kConfigured, kUnchanged };

const char* word_of(Change change);  // "created", "configured", "unchanged"

struct ApplyPlan {
  Change change = Change::kUnchanged;
  // What is to be stored; not for kUnchanged. Stored with compare-and-set on what `stored` was read
  // from.
  std::string object_json{};
};

// `stored` is what stands under the key (nullptr = nothing), `uid` and `now` (RFC 3339) are for a
// new object. Server-owned fields of the manifest (uid, generation, creationTimestamp, status …)
// are ignored. The generation grows when resource, tuning or inference mean something else. The
// annotation that plan_retry sets stays where the manifest says nothing of it.
// Permanent `BeingDeleted`.
Result<ApplyPlan> plan_apply_workspace(const nlohmann::json& manifest, const nlohmann::json* stored,
                                       const std::string& uid, const std::string& now);
Result<ApplyPlan> plan_apply_config_map(const nlohmann::json& manifest,
                                        const nlohmann::json* stored, const std::string& uid,
                                        const std::string& now);

// The object with or without the annotation `tunesmith.dev/suspend`; nullopt when it is so already.
// A suspension by command stays when a manifest is applied that says nothing of it, one by manifest
// goes with the manifest's line. Permanent `BeingDeleted`.
Result<std::optional<std::string>> plan_suspend(const nlohmann::json& stored, bool suspended);

// The object with deletionTimestamp `now`; nullopt when it already has one.
std::optional<std::string> plan_delete(const nlohmann::json& stored, const std::string& now);

// The object with the annotation `tunesmith.dev/retry` at a value it did not have: `unix_seconds`,
// or one more than the present value where that is not less. The generation stays. Permanent
// `BeingDeleted`.
Result<std::string> plan_retry(const nlohmann::json& stored, std::int64_t unix_seconds);

}  // namespace tunesmith::cli
