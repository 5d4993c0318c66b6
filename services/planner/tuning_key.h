// The name of an adapter before it exists: SHA-256 over all that decides its numbers, in a written
// form (docs/tuning-key.md).
#pragma once

#include <string>

#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::planner {

// Version of the engine's arithmetic that this planner plans for.
inline constexpr std::uint32_t kNumericsVersion = 1;

// The canonical form: lines `name=value`, UTF-8. The same for plans that give the same adapter.
std::string canonical_form(const events::v1::TuningPlan& plan);

// Lower-case hex.
std::string tuning_key(const events::v1::TuningPlan& plan);

}  // namespace tunesmith::planner
