// AdamW on flat vectors, spread over the engine's threads.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/job.h"
#include "model/kernels.h"

namespace tunesmith::engine {

// sqrt of the sum of squares, summed in fp64 over parts of a fixed size: the same for any number of
// threads.
double l2_norm(const Kernels& kernels, const std::vector<float>& values);

// One step in place; `step` counts from 1. grad_scale is applied to the gradients first. All
// vectors have the same size.
void adamw_step(const Kernels& kernels, const HyperParameters& hyper, double learning_rate,
                std::uint64_t step, double grad_scale, const std::vector<float>& gradients,
                std::vector<float>& parameters, std::vector<float>& first_moment,
                std::vector<float>& second_moment);

}  // namespace tunesmith::engine
