// A LoRA adapter in PEFT's layout: adapter_config.json and adapter_model.safetensors (fp32). peft,
// vLLM and KAITO load it. y = W x + scale * B (A (dropout(x))), scale = alpha / r, or alpha /
// sqrt(r) with rank-stabilised LoRA.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "failure.h"

namespace tunesmith::engine {

struct AdapterConfig {
  std::string base_model_name_or_path;
  std::int64_t r = 0;
  double lora_alpha = 0;
  double lora_dropout = 0;
  bool use_rslora = false;
  std::vector<std::string> target_modules;  // last part of the module path, e.g. "q_proj"

  double scale() const;
};

// One adapted linear layer; matrices row-major.
struct LoraModule {
  std::string path;  // as in the base model, e.g. "model.layers.0.self_attn.q_proj"
  std::int64_t in_features = 0;
  std::int64_t out_features = 0;
  std::vector<float> a;  // [r, in_features]
  std::vector<float> b;  // [out_features, r]
};

struct Adapter {
  AdapterConfig config;
  std::vector<LoraModule> modules;  // sorted by path when read
};

// Reads fp32, fp16 or bf16 tensors. Failures (permanent): AdapterMissing, AdapterInvalid,
// AdapterNotSupported (a peft setting that changes the arithmetic and is not implemented, named:
// rank_pattern, modules_to_save, use_dora …).
Result<Adapter> read_adapter(const std::filesystem::path& dir);

// Writes the folder so that it appears whole or not at all, also over an older one. The bytes
// depend on the adapter alone. Failure (transient): DiskFull. Matrices whose sizes disagree
// are a bug: std::invalid_argument.
Result<void> write_adapter(const std::filesystem::path& dir, const Adapter& adapter);

}  // namespace tunesmith::engine
