// Training data that is not behind URLs: what was found out about an image or a volume.
#pragma once

#include <cstdint>
#include <string>

#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::planner {

struct OtherData {
  events::v1::TrainingData data;       // with image or volume set, rows and layout
  std::uint64_t estimated_tokens = 0;  // 0 = unknown
  std::string note{};                  // for the user; empty = nothing to say
};

}  // namespace tunesmith::planner
