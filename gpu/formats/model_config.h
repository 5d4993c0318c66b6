// What config.json says about a decoder, in one form whichever transformers version wrote it.
// A value that changes the arithmetic and is not implemented is refused by name, never ignored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "failure.h"
#include "formats/safetensors.h"

namespace tunesmith::engine {

// Rotary frequencies stretched as in Llama 3.1 (transformers: modeling_rope_utils, "llama3").
struct Llama3RopeScaling {
  double factor = 8.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  std::int64_t original_max_position_embeddings = 8192;
};

// One decoder is driven by these values; a family is a reader that fills them (see kFamilies in
// model_config.cpp).
struct ModelConfig {
  std::string model_type;  // "llama"
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;  // divides num_attention_heads
  std::int64_t head_dim = 0;  // even; num_attention_heads * head_dim need not be hidden_size
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  std::optional<Llama3RopeScaling> llama3_rope_scaling;
  bool tie_word_embeddings = false;  // lm_head.weight is model.embed_tokens.weight
  DType dtype = DType::kF32;         // of the stored weights: kF32, kF16 or kBF16
  std::optional<std::int64_t> bos_token_id;
  std::optional<std::int64_t> pad_token_id;
  // Every token that ends an answer: config.json's and generation_config.json's, sorted, may be
  // empty.
  std::vector<std::int64_t> eos_token_ids;
  // Weights of linear layers are stored as NF4 by bitsandbytes (see quant/nf4_state.h).
  bool stored_as_nf4 = false;
};

// Inverse frequencies of the rotary embedding, [head_dim / 2], rope scaling applied, in the fp32
// steps of transformers.
std::vector<float> rope_inverse_frequencies(const ModelConfig& config);

// Failures (permanent): ModelFileMissing, ModelFileInvalid (not JSON, a size that is absent or out
// of range), ArchitectureNotSupported, ModelNotSupported (a value that is not implemented, named).
Result<ModelConfig> read_model_config(const std::filesystem::path& dir);

}  // namespace tunesmith::engine
