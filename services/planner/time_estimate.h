// How long a training takes: an estimate, made before anything is bought.
//
//   seconds = start + (training FLOPs + evaluation FLOPs) / effective FLOP/s of the device
//
// FLOPs of one token, N = parameters of the frozen linear layers and the head, A = of the adapter:
//   forward      2·(N + A) + attention            each parameter is one multiplication and one
//                                                 addition (Kaplan et al. 2020, arXiv:2001.08361)
//   attention    4·layers·(heads·head_dim)·length/2   scores and sum, causal: half of the positions
//                                                 (Chowdhery et al. 2022, arXiv:2204.02311, B)
//   backward     2·N + 4·A + 2·attention          frozen weights need the gradient of their input
//                                                 only: half of the usual 4·N (Hu et al. 2021,
//                                                 arXiv:2106.09685; QLoRA, arXiv:2305.14314)
//   recompute    the forward pass once more with gradient_checkpointing (Chen et al. 2016,
//                arXiv:1604.06174)
// Evaluation is a forward pass over the evaluation split before and after training, and every
// eval_steps.
//
// The effective speed of a CPU is measured, not its peak: what the engine reached on it
// (docs/benchmarks/engine-cpu.md), per core and by what it multiplies in
// (docs/decisions/0004-compute-type-by-processor.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "planner/model_shape.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::planner {

// A device's speed at what training does, all of its cores together; 0 = unknown.
struct DeviceSpeed {
  double flops_per_second = 0;
  std::string name{};  // for people: "2 cores, bf16 in AVX-512"
};

// Of this many cores of a CPU, from the text of /proc/cpuinfo (its first "vendor_id" and "flags").
DeviceSpeed cpu_speed(std::string_view cpuinfo, unsigned cores);

struct TimeQuestion {
  const ModelShape& shape;
  const events::v1::TrainingData& data;
  const events::v1::HyperParameters& hyper_parameters;
  std::uint64_t data_tokens = 0;  // in all rows, as text; 0 = unknown
};

// What a training amounts to; all 0 when rows or tokens are unknown.
struct TrainingSize {
  std::uint64_t steps = 0;        // of the optimizer
  std::uint64_t tokens = 0;       // of all epochs, with what the chat template adds, after the cut
  std::uint64_t eval_tokens = 0;  // of all evaluations
};
TrainingSize training_size(const TimeQuestion& question);

// FLOPs of one token of a training, and of one that is only evaluated. `length`: of its example or,
// with packing, of what it can see, at most max_seq_length.
double training_flops_per_token(const ModelShape& shape,
                                const events::v1::HyperParameters& hyper_parameters, double length);
double forward_flops_per_token(const ModelShape& shape,
                               const events::v1::HyperParameters& hyper_parameters, double length);

// Whole seconds, at least 1; 0 = unknown.
std::uint64_t estimate_seconds(const TimeQuestion& question, const DeviceSpeed& device);

}  // namespace tunesmith::planner
