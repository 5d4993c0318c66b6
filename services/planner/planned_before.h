// The plan of this generation as the status tells it: when the bucket of plans was lost, the plan
// is made again as it was, although the world went on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planner/plan.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::planner {

// What a plan decides and the world could answer differently today.
struct PlannedBefore {
  std::string model_revision, instance_type;
  std::vector<events::v1::RemoteFile> data;  // URLs without their query, as the status shows them
};

// Nothing when no plan of this generation was accepted.
std::optional<PlannedBefore> planned_before(const std::string& status_json,
                                            std::int64_t generation);

// The identity of each data file as it was planned. One that has changed since is then refused by
// the worker (`SourceChanged`), as it would be with the plan that was lost.
void restore(const PlannedBefore& before, Facts& facts);

}  // namespace tunesmith::planner
