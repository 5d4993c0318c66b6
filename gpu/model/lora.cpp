#include "model/lora.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "data/rng.h"

namespace tunesmith::engine {
namespace {

constexpr std::array kModuleNames{"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                  "gate_proj", "up_proj", "down_proj"};

Result<void> check_targets(const std::vector<std::string>& targets) {
  for (const std::string& target : targets) {
    if (std::ranges::find(kModuleNames, target) == kModuleNames.end()) {
      return permanent("NoSuchModule",
                       fmt::format("target_modules names '{}', which this model does not have; it "
                                   "has {}",
                                   target, fmt::join(kModuleNames, ", ")));
    }
  }
  return {};
}

}  // namespace

std::string_view LinearModule::name() const {
  return std::string_view(path).substr(path.rfind('.') + 1);
}

std::vector<LinearModule> linear_modules(const ModelConfig& config, std::int64_t layer,
                                         LinearGroup group) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t q = config.num_attention_heads * config.head_dim;
  const std::int64_t kv = config.num_key_value_heads * config.head_dim;
  const std::int64_t mlp = config.intermediate_size;
  const std::string attention_path = fmt::format("model.layers.{}.self_attn.", layer);
  const std::string mlp_path = fmt::format("model.layers.{}.mlp.", layer);
  switch (group) {
    case LinearGroup::kQkv:
      return {{attention_path + "q_proj", hidden, q},
              {attention_path + "k_proj", hidden, kv},
              {attention_path + "v_proj", hidden, kv}};
    case LinearGroup::kAttentionOut:
      return {{attention_path + "o_proj", q, hidden}};
    case LinearGroup::kGateUp:
      return {{mlp_path + "gate_proj", hidden, mlp}, {mlp_path + "up_proj", hidden, mlp}};
    case LinearGroup::kDown:
      break;
  }
  return {{mlp_path + "down_proj", mlp, hidden}};
}

Result<Lora> make_lora(const ModelConfig& model, AdapterConfig config) {
  if (auto known = check_targets(config.target_modules); !known) {
    return tl::unexpected(known.error());
  }
  if (config.target_modules.empty()) {
    config.target_modules.assign(kModuleNames.begin(), kModuleNames.end());
  }
  Lora lora;
  std::int64_t used = 0;
  for (std::int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
    for (int g = 0; g < kLinearGroups; ++g) {
      const auto group = static_cast<LinearGroup>(g);
      const std::size_t first = lora.slots.size();
      for (LinearModule& module : linear_modules(model, layer, group)) {
        if (std::ranges::find(config.target_modules, module.name()) ==
            config.target_modules.end()) {
          continue;
        }
        const std::int64_t size = config.r * module.in_features;
        lora.slots.push_back({std::move(module), layer, group, used, 0});
        used += size;
      }
      for (std::size_t i = first; i < lora.slots.size(); ++i) {
        lora.slots[i].b_begin = used;
        used += config.r * lora.slots[i].module.out_features;
      }
    }
  }
  lora.config = std::move(config);
  lora.parameters.assign(static_cast<std::size_t>(used), 0.0F);
  lora.gradients.assign(static_cast<std::size_t>(used), 0.0F);
  return lora;
}

void initialise(Lora& lora, std::uint64_t seed) {
  Rng rng(seed, RngStream::kAdapter);
  for (const LoraSlot& slot : lora.slots) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(slot.module.in_features));
    float* a = lora.parameters.data() + slot.a_begin;
    for (std::int64_t i = 0; i < lora.config.r * slot.module.in_features; ++i) {
      a[i] = static_cast<float>((2.0 * rng.uniform() - 1.0) * bound);
    }
    float* b = lora.parameters.data() + slot.b_begin;
    std::fill_n(b, lora.config.r * slot.module.out_features, 0.0F);
  }
}

Adapter to_adapter(const Lora& lora) {
  Adapter adapter;
  adapter.config = lora.config;
  const std::int64_t r = lora.config.r;
  for (const LoraSlot& slot : lora.slots) {
    const LinearModule& module = slot.module;
    const float* a = lora.parameters.data() + slot.a_begin;
    const float* b = lora.parameters.data() + slot.b_begin;
    LoraModule out{module.path, module.in_features, module.out_features, {}, {}};
    out.a.assign(a, a + r * module.in_features);
    out.b.resize(static_cast<std::size_t>(r * module.out_features));
    for (std::int64_t i = 0; i < module.out_features; ++i) {
      for (std::int64_t k = 0; k < r; ++k) out.b[i * r + k] = b[k * module.out_features + i];
    }
    adapter.modules.push_back(std::move(out));
  }
  return adapter;
}

Result<void> copy_from_adapter(Lora& lora, const Adapter& adapter) {
  std::map<std::string_view, const LoraModule*> by_path;
  for (const LoraModule& module : adapter.modules) by_path[module.path] = &module;
  const std::int64_t r = lora.config.r;
  if (by_path.size() != lora.slots.size() || adapter.config.r != r) {
    return permanent(
        "AdapterMismatch",
        fmt::format("expected an adapter of rank {} on {} modules, found rank {} on {}", r,
                    lora.slots.size(), adapter.config.r, by_path.size()));
  }
  for (const LoraSlot& slot : lora.slots) {
    const LinearModule& module = slot.module;
    const auto found = by_path.find(module.path);
    if (found == by_path.end() || found->second->in_features != module.in_features ||
        found->second->out_features != module.out_features) {
      return permanent("AdapterMismatch",
                       fmt::format("the adapter has no matrices of the size {} x {} for {}",
                                   module.out_features, module.in_features, module.path));
    }
    std::ranges::copy(found->second->a, lora.parameters.begin() + slot.a_begin);
    float* b = lora.parameters.data() + slot.b_begin;
    for (std::int64_t i = 0; i < module.out_features; ++i) {
      for (std::int64_t k = 0; k < r; ++k) {
        b[k * module.out_features + i] = found->second->b[static_cast<std::size_t>(i * r + k)];
      }
    }
  }
  return {};
}

}  // namespace tunesmith::engine
