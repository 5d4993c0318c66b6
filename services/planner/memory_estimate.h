// How much memory a training takes on one device: an estimate, made before anything is bought.
//
//   weights      QLoRA: 0.5159 byte per parameter of the linear layers (NF4 with double
//   quantisation, engine's quant/) plus one layer
//                dequantised; LoRA: `element` bytes per parameter. Embedding and head: `element`
//                bytes per parameter.
//   adapter      16 bytes per parameter: value, gradient and Adam's two moments, all fp32
//   activations  per token of a micro-batch and layer, in elements: 5·hidden + 2·kv +
//   3·intermediate; with gradient_checkpointing
//                only hidden, plus one layer whole
//   logits       256 rows of vocabulary in fp32, twice (values and gradient)
//   process      256 MiB
#pragma once

#include <cstdint>

#include "planner/model_shape.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::planner {

struct MemoryQuestion {
  ModelShape shape;
  events::v1::TuningMethod method = events::v1::TUNING_METHOD_UNSPECIFIED;
  events::v1::HyperParameters hyper_parameters;
  std::uint64_t example_tokens =
      0;  // of a long example, before the cut at max_seq_length; 0 = unknown
  std::uint64_t element_bytes =
      4;  // of the compute type: 4 for fp32 (the CPU's safe assumption), 2 for bf16
};

struct MemoryEstimate {
  std::uint64_t weights = 0, adapter = 0, activations = 0, logits = 0, process = 0;  // bytes
  std::uint64_t total() const { return weights + adapter + activations + logits + process; }
};

MemoryEstimate estimate_memory(const MemoryQuestion& question);

// The largest per_device_train_batch_size up to the one that was asked for whose estimate is at
// most `memory_bytes`; 0 = not even 1.
std::uint32_t largest_batch(MemoryQuestion question, std::uint64_t memory_bytes);

}  // namespace tunesmith::planner
