// The learning rate over the steps.
#pragma once

#include <cstdint>

#include "formats/job.h"

namespace tunesmith::engine {

// warmup_steps, or else the share warmup_ratio of all steps, rounded up.
std::uint64_t warmup_steps(const HyperParameters& hyper, std::uint64_t total_steps);

// Learning rate of the optimizer step after `done` steps, 0 <= done < total_steps, as transformers'
// get_scheduler gives it: with a warm-up the very first step's is 0.
double learning_rate(const HyperParameters& hyper, std::uint64_t total_steps, std::uint64_t done);

}  // namespace tunesmith::engine
