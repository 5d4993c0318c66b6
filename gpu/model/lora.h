// The LoRA adapter while it is trained: all parameters in one flat vector, all gradients in
// another, so that clipping, the optimizer, a checkpoint and a reduction over ranks are one loop.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "formats/adapter.h"
#include "formats/model_config.h"

namespace tunesmith::engine {

// Linear modules that share their input, in the order of the decoder; each is one matrix product.
enum class LinearGroup { kQkv, kAttentionOut, kGateUp, kDown };
inline constexpr int kLinearGroups = 4;

// One linear module of a layer.
struct LinearModule {
  std::string path;  // "model.layers.3.self_attn.q_proj"
  std::int64_t in_features = 0;
  std::int64_t out_features = 0;

  std::string_view name() const;  // "q_proj"
};

std::vector<LinearModule> linear_modules(const ModelConfig& config, std::int64_t layer,
                                         LinearGroup group);

// Where a module's matrices stand in Lora::parameters and Lora::gradients.
struct LoraSlot {
  LinearModule module;
  std::int64_t layer = 0;
  LinearGroup group = LinearGroup::kQkv;
  std::int64_t a_begin = 0;  // A [r, in]; the slots of one group follow each other
  std::int64_t b_begin = 0;  // B transposed, [r, out]
};

struct Lora {
  AdapterConfig config;
  std::vector<LoraSlot> slots;
  std::vector<float> parameters;
  std::vector<float> gradients;

  bool empty() const { return slots.empty(); }
  float scale() const { return empty() ? 0.0F : static_cast<float>(config.scale()); }
};

// All zero. config.target_modules empty = all linear modules; then the names are filled in.
// Failure (permanent): NoSuchModule.
Result<Lora> make_lora(const ModelConfig& model, AdapterConfig config);

// A: kaiming uniform with a = sqrt(5), that is uniform within ±1/sqrt(in), as peft; B: 0.
void initialise(Lora& lora, std::uint64_t seed);

Adapter to_adapter(const Lora& lora);
// Failure (permanent): AdapterMismatch when modules or sizes differ.
Result<void> copy_from_adapter(Lora& lora, const Adapter& adapter);

}  // namespace tunesmith::engine
