// When a run is beyond help.
#pragma once

#include <cstdint>

#include "failure.h"

namespace tunesmith::engine {

// Looks at optimizer step `step` (from 1) before it changes the adapter. `high_steps` counts the
// steps in a row whose loss was more than twice that of guessing, log(vocab_size); it belongs to
// the run's state. Failures (permanent), with the step named: LossNotFinite, also for the
// gradient's norm; LossExploded at the fifth such step in a row.
Result<void> check_loss(std::uint64_t step, double loss, double grad_norm, std::int64_t vocab_size,
                        std::uint64_t& high_steps);

}  // namespace tunesmith::engine
