// A small random model on disk and data for it. For tests.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/packing.h"
#include "data/rng.h"
#include "formats/model_config.h"
#include "formats/safetensors.h"
#include "model/cpu_features.h"
#include "model/decoder.h"
#include "model/lora.h"

namespace tunesmith::engine::testing {

inline constexpr std::int64_t kTinyVocab = 97;

// Two layers, hidden size 64, four heads on two key heads of 16, MLP 96.
inline void write_tiny_model(const std::filesystem::path& dir) {
  std::ofstream(dir / "config.json") << R"({"model_type": "llama", "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 97, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
    "torch_dtype": "float32", "hidden_act": "silu", "eos_token_id": 2})";
  Rng rng(3, RngStream::kSampling);
  std::vector<std::vector<float>> values;
  std::vector<TensorView> tensors;
  values.reserve(64);
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, double around) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    const double spread = around != 0 ? 0.3 : 1.7 / std::sqrt(static_cast<double>(shape.back()));
    std::vector<float>& out = values.emplace_back();
    for (std::int64_t i = 0; i < count; ++i) {
      out.push_back(static_cast<float>(around + (2 * rng.uniform() - 1) * spread));
    }
    tensors.push_back({name, DType::kF32, std::move(shape), std::as_bytes(std::span(out))});
  };
  add("model.embed_tokens.weight", {kTinyVocab, 64}, 0);
  add("model.norm.weight", {64}, 1);
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    add(layer + "input_layernorm.weight", {64}, 1);
    add(layer + "post_attention_layernorm.weight", {64}, 1);
    add(layer + "self_attn.q_proj.weight", {64, 64}, 0);
    add(layer + "self_attn.k_proj.weight", {32, 64}, 0);
    add(layer + "self_attn.v_proj.weight", {32, 64}, 0);
    add(layer + "self_attn.o_proj.weight", {64, 64}, 0);
    add(layer + "mlp.gate_proj.weight", {96, 64}, 0);
    add(layer + "mlp.up_proj.weight", {96, 64}, 0);
    add(layer + "mlp.down_proj.weight", {64, 96}, 0);
  }
  ASSERT_TRUE(write_safetensors(dir / "model.safetensors", tensors));
}

// rank 0: no adapter. The adapter's B is random too, so that every gradient is alive.
inline Decoder load_tiny_model(const std::filesystem::path& dir, AdapterConfig adapter,
                               WeightOptions options = {}) {
  const ModelConfig config = read_model_config(dir).value();
  Lora lora;
  if (adapter.r > 0) {
    lora = make_lora(config, std::move(adapter)).value();
    Rng rng(5, RngStream::kAdapter);
    for (float& value : lora.parameters) value = static_cast<float>(0.2 * rng.uniform() - 0.1);
  }
  const Kernels& kernels = kernels_for(best_isa(detect_cpu_features("")), options.elem);
  return {Weights::load(dir, options, kernels, lora, config).value(), std::move(lora)};
}

inline AdapterConfig tiny_adapter() {
  AdapterConfig config;
  config.r = 4;
  config.lora_alpha = 8;
  return config;
}

// A document of random tokens; the second half counts.
inline PackedSequence random_document(std::size_t length, std::uint64_t seed) {
  Rng rng(seed, RngStream::kSampling);
  PackedSequence out;
  for (std::size_t i = 0; i < length; ++i) {
    out.tokens.push_back(static_cast<std::int32_t>(rng.below(kTinyVocab)));
    out.is_target.push_back(i >= length / 2 && i > 0 ? 1 : 0);
  }
  out.document_starts = {0};
  return out;
}

inline Batch batch_of(const std::vector<PackedSequence>& sequences) {
  std::vector<const PackedSequence*> pointers;
  for (const PackedSequence& sequence : sequences) pointers.push_back(&sequence);
  return make_batch(pointers);
}

}  // namespace tunesmith::engine::testing
