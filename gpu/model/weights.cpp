#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "formats/convert.h"
#include "formats/model_files.h"
#include "model/parallel.h"
#include "quant/nf4_state.h"

namespace tunesmith::engine {
namespace {

constexpr std::int64_t kTailMultiple = 16;
constexpr std::int64_t kRowGrain = 16;

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::size_t bytes_of(std::int64_t rows, std::int64_t cols, Elem elem) {
  return static_cast<std::size_t>(rows * cols * elem_size(elem));
}

// Memory that can be had now: the kernel's own estimate (which counts the page cache as free), and
// no more than the container's limit. 0 when neither is known.
std::size_t available_memory_bytes() {
  std::size_t available = 0;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);) {
    if (line.starts_with("MemAvailable:")) {
      available = std::strtoull(line.c_str() + std::strlen("MemAvailable:"), nullptr, 10) * 1024;
    }
  }
  std::ifstream limit_file("/sys/fs/cgroup/memory.max");
  std::size_t limit = 0;
  if (limit_file >> limit) available = std::min(available, limit);  // "max" is no number
  return available;
}

GroupWeights plan_group(const ModelConfig& config, std::int64_t layer, LinearGroup group,
                        const Lora& lora) {
  GroupWeights plan;
  for (LinearModule& module : linear_modules(config, layer, group)) {
    GroupWeights::Part part;
    part.row_begin = plan.out;
    plan.in = module.in_features;
    plan.out += module.out_features;
    const auto slot =
        std::ranges::find(lora.slots, module.path, [](const LoraSlot& s) { return s.module.path; });
    if (slot != lora.slots.end()) {
      part.slot = slot - lora.slots.begin();
      part.tail_begin = plan.tail_used;
      plan.tail_used += lora.config.r;
    }
    part.module = std::move(module);
    plan.parts.push_back(std::move(part));
  }
  plan.tail = round_up(plan.tail_used, kTailMultiple);
  return plan;
}

// `count` dense rows into the left columns of m.
void copy_rows(const std::byte* from, std::int64_t count, std::int64_t cols, const Matrix& m) {
  const std::size_t row_bytes = bytes_of(1, cols, m.elem);
  parallel_for(count, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::memcpy(m.row_range(r, 1).data, from + static_cast<std::size_t>(r) * row_bytes,
                  row_bytes);
    }
  });
}

// Dequantises in parallel, block by block, then row by row to where it belongs.
void dequantize_rows(const Nf4Tensor& tensor, const Matrix& m) {
  const std::int64_t count = tensor.element_count();
  std::vector<std::byte> dense(bytes_of(1, count, m.elem));
  parallel_for(tensor.block_count(), 256, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kNf4Block;
    const auto size = static_cast<std::size_t>(std::min(end * kNf4Block, count) - first);
    if (m.elem == Elem::kF32) {
      dequantize_nf4_blocks(tensor, begin, end - begin,
                            std::span(reinterpret_cast<float*>(dense.data()) + first, size));
    } else {
      dequantize_nf4_blocks(
          tensor, begin, end - begin,
          std::span(reinterpret_cast<std::uint16_t*>(dense.data()) + first, size));
    }
  });
  copy_rows(dense.data(), tensor.rows, tensor.cols, m);
}

}  // namespace

// Reads a folder's tensors into a Weights.
class WeightLoader {
 public:
  WeightLoader(const ModelWeights& files, const WeightOptions& options, const Lora& lora,
               Weights& weights)
      : files_(files), options_(options), lora_(lora), weights_(weights) {}

  Result<void> load() {
    const ModelConfig& config = weights_.config_;
    plan();
    auto embedding = load_table("model.embed_tokens.weight", weights_.embedding_storage_);
    if (!embedding) return tl::unexpected(embedding.error());
    weights_.embedding_ = weights_.head_ = *embedding;
    if (!config.tie_word_embeddings) {
      auto head = load_table("lm_head.weight", weights_.head_storage_);
      if (!head) return tl::unexpected(head.error());
      weights_.head_ = *head;
    }
    auto norm = values("model.norm.weight", {config.hidden_size});
    if (!norm) return tl::unexpected(norm.error());
    weights_.final_norm_ = std::move(*norm);
    for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
      if (auto loaded = load_layer(layer); !loaded) return loaded;
    }
    return {};
  }

 private:
  void plan() {
    const ModelConfig& config = weights_.config_;
    std::size_t kept_bytes = 0;
    std::size_t largest = 0;
    for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
      LayerWeights& out = weights_.layers_.emplace_back();
      for (int g = 0; g < kLinearGroups; ++g) {
        GroupWeights& group = out.groups[g];
        group = plan_group(config, layer, static_cast<LinearGroup>(g), lora_);
        const std::size_t size =
            bytes_of(group.out + group.tail, group.in + group.tail, weights_.elem_);
        kept_bytes += size;
        largest = std::max(largest, size);
      }
    }
    // Weights that were never quantised are always kept: they would be read from disk instead.
    const bool may_drop = options_.method == Method::kQlora;
    const bool drop =
        options_.cache == WeightCache::kDequantizeOnUse ||
        (options_.cache == WeightCache::kAuto && kept_bytes > available_memory_bytes() / 2);
    weights_.kept_ = !(may_drop && drop);
    if (!weights_.kept_) weights_.scratch_ = Buffer(largest);
  }

  Result<TensorView> view(const std::string& name, const std::vector<std::int64_t>& shape) {
    auto tensor = files_.tensor(name);
    if (!tensor || tensor->shape == shape) return tensor;
    return permanent("ModelTensorMismatch",
                     fmt::format("{} has {} elements in {} dimensions, not what config.json says",
                                 name, tensor->element_count(), tensor->shape.size()));
  }

  Result<std::vector<float>> values(const std::string& name,
                                    const std::vector<std::int64_t>& shape) {
    auto tensor = view(name, shape);
    if (!tensor) return tl::unexpected(tensor.error());
    return to_fp32(*tensor);
  }

  void round_into(const std::vector<float>& dense, std::int64_t rows, std::int64_t cols,
                  const Matrix& m) {
    parallel_for(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      weights_.kernels().round_rows({begin, end}, cols, dense.data(), cols, m.data, m.row_stride);
    });
  }

  Result<Matrix> load_table(const std::string& name, Buffer& storage) {
    const std::int64_t rows = weights_.config_.vocab_size;
    const std::int64_t cols = weights_.config_.hidden_size;
    auto dense = values(name, {rows, cols});
    if (!dense) return tl::unexpected(dense.error());
    storage = Buffer(bytes_of(rows, cols, weights_.elem_));
    const Matrix table = storage.matrix(rows, cols, weights_.elem_);
    round_into(*dense, rows, cols, table);
    return table;
  }

  Result<Nf4Tensor> quantized(const LinearModule& module) {
    const std::string name = module.path + ".weight";
    if (has_nf4_state(files_, name)) return read_nf4_state(files_, name);
    auto dense = values(name, {module.out_features, module.in_features});
    if (!dense) return tl::unexpected(dense.error());
    return quantize_nf4(*dense, module.out_features, module.in_features,
                        options_.double_quantization, threads());
  }

  Result<void> load_layer(std::int64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    const std::vector<std::int64_t> shape{weights_.config_.hidden_size};
    auto attention_norm = values(prefix + "input_layernorm.weight", shape);
    if (!attention_norm) return tl::unexpected(attention_norm.error());
    auto mlp_norm = values(prefix + "post_attention_layernorm.weight", shape);
    if (!mlp_norm) return tl::unexpected(mlp_norm.error());
    LayerWeights& out = weights_.layers_[static_cast<std::size_t>(layer)];
    out.attention_norm = std::move(*attention_norm);
    out.mlp_norm = std::move(*mlp_norm);
    for (GroupWeights& group : out.groups) {
      if (auto loaded = load_group(group); !loaded) return loaded;
    }
    return {};
  }

  Result<void> load_group(GroupWeights& group) {
    const std::int64_t rows = group.out + group.tail;
    const std::int64_t cols = group.in + group.tail;
    if (weights_.kept_) group.storage = Buffer(bytes_of(rows, cols, weights_.elem_));
    const Matrix m = group.storage.matrix(rows, cols, weights_.elem_);
    for (const GroupWeights::Part& part : group.parts) {
      const LinearModule& module = part.module;
      if (options_.method == Method::kQlora || has_nf4_state(files_, module.path + ".weight")) {
        auto tensor = quantized(module);
        if (!tensor) return tl::unexpected(tensor.error());
        if (tensor->rows != module.out_features || tensor->cols != module.in_features) {
          return permanent(
              "ModelTensorMismatch",
              fmt::format("{}.weight is {} x {}, config.json says {} x {}", module.path,
                          tensor->rows, tensor->cols, module.out_features, module.in_features));
        }
        if (weights_.kept_) {
          dequantize_rows(*tensor, m.row_range(part.row_begin, module.out_features));
        } else {
          group.quantized.push_back(std::move(*tensor));
        }
        continue;
      }
      auto dense = values(module.path + ".weight", {module.out_features, module.in_features});
      if (!dense) return tl::unexpected(dense.error());
      round_into(*dense, module.out_features, module.in_features,
                 m.row_range(part.row_begin, module.out_features));
    }
    return {};
  }

  const ModelWeights& files_;
  const WeightOptions& options_;
  const Lora& lora_;
  Weights& weights_;
};

Result<Weights> Weights::load(const std::filesystem::path& dir, const WeightOptions& options,
                              const Kernels& kernels, const Lora& lora, const ModelConfig& config) {
  auto files = ModelWeights::open(dir);
  if (!files) return tl::unexpected(files.error());
  Weights weights;
  weights.config_ = config;
  weights.elem_ = options.elem;
  weights.kernels_ = &kernels;
  WeightLoader loader(*files, options, lora, weights);
  if (auto loaded = loader.load(); !loaded) return tl::unexpected(loaded.error());
  weights.set_adapter(lora);
  return weights;
}

void Weights::write_adapter_part(const GroupWeights& group, const Matrix& m, const Lora& lora) {
  const std::int64_t r = lora.config.r;
  for (const GroupWeights::Part& part : group.parts) {
    if (part.slot < 0) continue;
    const LoraSlot& slot = lora.slots[static_cast<std::size_t>(part.slot)];
    const Matrix a = m.row_range(group.out + part.tail_begin, r);
    kernels_->round_rows({0, r}, group.in, lora.parameters.data() + slot.a_begin, group.in, a.data,
                         a.row_stride);
    const std::int64_t rows = part.module.out_features;
    const Matrix b = m.row_range(part.row_begin, rows).col_range(group.in + part.tail_begin, r);
    kernels_->round_transposed({0, r}, rows, lora.parameters.data() + slot.b_begin, rows, b.data,
                               b.row_stride);
  }
}

void Weights::set_adapter(const Lora& lora) {
  if (!kept_ || lora.empty()) return;
  const auto groups = static_cast<std::int64_t>(layers_.size()) * kLinearGroups;
  parallel_for(groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const GroupWeights& group =
          layers_[static_cast<std::size_t>(i / kLinearGroups)].groups[i % kLinearGroups];
      write_adapter_part(
          group, group.storage.matrix(group.out + group.tail, group.in + group.tail, elem_), lora);
    }
  });
}

Matrix Weights::group(std::int64_t layer, LinearGroup which, const Lora& lora) {
  const GroupWeights& group =
      layers_[static_cast<std::size_t>(layer)].groups[static_cast<std::size_t>(which)];
  const std::int64_t rows = group.out + group.tail;
  const std::int64_t cols = group.in + group.tail;
  if (kept_) return group.storage.matrix(rows, cols, elem_);
  const Matrix m = scratch_.matrix(rows, cols, elem_);
  // The tail holds the adapter, zeros between its modules and whatever another group left.
  std::memset(m.row_range(group.out, group.tail).data, 0, bytes_of(group.tail, cols, elem_));
  for (std::size_t i = 0; i < group.parts.size(); ++i) {
    const GroupWeights::Part& part = group.parts[i];
    const Matrix part_rows = m.row_range(part.row_begin, part.module.out_features);
    for (std::int64_t r = 0; r < part_rows.rows && group.tail > 0; ++r) {
      std::memset(part_rows.row_range(r, 1).col_range(group.in, group.tail).data, 0,
                  bytes_of(1, group.tail, elem_));
    }
    dequantize_rows(group.quantized[i], part_rows);
  }
  write_adapter_part(group, m, lora);
  return m;
}

}  // namespace tunesmith::engine
