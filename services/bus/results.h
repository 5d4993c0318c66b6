// KV `results`: the one accepted result of a tuning key. Create-only: who comes late finds it taken
// and drops its own.
#pragma once

#include <optional>
#include <string>

#include "bus/key_value.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/tuning.pb.h"

namespace tunesmith::bus {

inline std::string result_key(const std::string& uid, const std::string& tuning_key) {
  return uid + "." + tuning_key;
}

// The value is the serialised AdapterReady without its plan (plans may hold credentials in URLs);
// whoever announces it again puts in the plan and the pass of the event at hand.
inline std::string encode_result(events::v1::AdapterReady ready) {
  ready.clear_plan();
  return ready.SerializeAsString();
}

// The accepted result of this plan as an event of `workspace`'s pass, or nullopt when there is none
// yet.
inline Result<std::optional<events::v1::AdapterReady>> accepted_result(
    KeyValue& results, const events::v1::WorkspaceRef& workspace, const events::v1::Plan& plan) {
  auto entry = results.get(result_key(workspace.uid(), plan.tuning_key()));
  if (!entry) return tl::unexpected(entry.error());
  if (!*entry) return std::nullopt;
  events::v1::AdapterReady ready;
  if (!ready.ParseFromString((*entry)->value)) {
    return permanent("ResultUndecodable", "the entry " + (*entry)->key +
                                              " of bucket results is no AdapterReady message; "
                                              "delete it to train again");
  }
  *ready.mutable_workspace() = workspace;
  *ready.mutable_plan() = plan;
  return ready;
}

}  // namespace tunesmith::bus
