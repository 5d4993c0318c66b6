// From a model folder (and an adapter) to a decoder.
#pragma once

#include <filesystem>
#include <optional>

#include "failure.h"
#include "formats/job.h"
#include "model/decoder.h"
#include "model/weights.h"

namespace tunesmith::engine {

// The instruction set and element type follow from the CPU and the environment variable
// ONEDNN_MAX_CPU_ISA (see cpu_features.h). Call set_threads before.

// With a new adapter, or the job's initial one, to be trained. Failures: those of Weights::load,
// make_lora, read_adapter and copy_from_adapter.
Result<Decoder> load_for_training(const Job& job, const ModelConfig& config, Compute compute);

struct InferenceOptions {
  std::filesystem::path model_dir;
  std::filesystem::path adapter_dir;  // empty = none
  // kAuto: fp32, because bf16 logits of neighbouring tokens are often equal, and greedy text turns
  // on their difference.
  Compute compute = Compute::kAuto;
  Method method = Method::kLora;  // kQlora: linear layers in NF4
  bool double_quantization = true;
};

Result<Decoder> load_for_inference(const InferenceOptions& options);

}  // namespace tunesmith::engine
