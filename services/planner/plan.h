// The plan: a pure function of what was asked for, what the world said, and where it can run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planner/data_probe.h"
#include "planner/model_hub.h"
#include "planner/model_shape.h"
#include "planner/other_data.h"
#include "planner/request.h"
#include "planner/time_estimate.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::planner {

// What was found out before anything is bought.
struct Facts {
  std::string revision;   // resolved commit of the model
  std::string license{};  // as the hub names it; empty when it does not
  ModelShape shape;
  std::vector<events::v1::RemoteFile> model_files;
  std::vector<ProbedFile> data;           // in the user's order
  std::optional<OtherData> other_data{};  // instead of files
};

// Where it would run.
struct Inventory {
  std::string placement = "local";  // instance type of the plan
  std::uint64_t memory_bytes = 0;   // for one worker; 0 = unknown, nothing is refused
  DeviceSpeed speed{};              // of one worker; unknown: the plan tells no time
};

// Permanent `MixedLayouts`, `NoSuchModule`, `MemoryTooSmall` (naming the largest batch that fits).
Result<events::v1::Plan> make_plan(const TuningRequest& request, const Facts& facts,
                                   const Inventory& inventory);

}  // namespace tunesmith::planner
