// The frozen weights of a decoder in memory, each group of linear modules as one matrix that
// carries its adapter.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "failure.h"
#include "formats/job.h"
#include "formats/model_config.h"
#include "model/kernels.h"
#include "model/lora.h"
#include "model/matrix.h"
#include "quant/nf4.h"

namespace tunesmith::engine {

// With W [out, in] the group's weights, A [tail, in] its adapters' A below each other and B
// [out, tail] their B, each in the rows of its module:
//     M = | W B |
//         | A 0 |   [out + tail, in + tail]
// so that forward and backward are one product each: Y = [X | s X A'] [W | B]' and
// dX = [dY | s dY B] [W ; A]. tail is 0 without an adapter, else rounded up to 16.
struct GroupWeights {
  struct Part {
    LinearModule module;
    std::int64_t row_begin = 0;
    std::int64_t slot = -1;  // in Lora::slots; -1 = not adapted
    std::int64_t tail_begin = 0;
  };
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t tail = 0;
  std::int64_t tail_used = 0;
  std::vector<Part> parts;
  Buffer storage;                    // of M; empty when it is dequantised at each use
  std::vector<Nf4Tensor> quantized;  // per part; empty when M is kept
};

struct LayerWeights {
  std::vector<float> attention_norm;
  std::vector<float> mlp_norm;
  std::array<GroupWeights, kLinearGroups> groups;
};

// How the linear layers are held. kAuto keeps dequantised copies when they take less than half of
// the memory that is free; the numbers are the same either way.
enum class WeightCache { kAuto, kKeep, kDequantizeOnUse };

struct WeightOptions {
  Method method = Method::kLora;
  bool double_quantization = true;
  Elem elem = Elem::kF32;
  WeightCache cache = WeightCache::kAuto;
};

class Weights {
 public:
  // Reads the folder; threads() threads quantise. Failures: those of read_model_config,
  // ModelWeights and read_nf4_state; ModelTensorMismatch (permanent) when a tensor's shape is not
  // what config.json says.
  static Result<Weights> load(const std::filesystem::path& dir, const WeightOptions& options,
                              const Kernels& kernels, const Lora& lora, const ModelConfig& config);

  const ModelConfig& config() const { return config_; }
  Elem elem() const { return elem_; }
  const Kernels& kernels() const { return *kernels_; }
  const std::vector<LayerWeights>& layers() const { return layers_; }
  const std::vector<float>& final_norm() const { return final_norm_; }
  Matrix embedding() const { return embedding_; }  // [vocab, hidden]
  Matrix head() const { return head_; }            // [vocab, hidden]; may be the embedding
  bool kept() const { return kept_; }

  // M of a group. Dequantised into one buffer that the next call reuses unless it is kept.
  Matrix group(std::int64_t layer, LinearGroup group, const Lora& lora);
  // Writes the adapter into the kept matrices; call after its parameters changed.
  void set_adapter(const Lora& lora);

 private:
  Weights() = default;
  friend class WeightLoader;
  void write_adapter_part(const GroupWeights& group, const Matrix& m, const Lora& lora);

  ModelConfig config_;
  Elem elem_ = Elem::kF32;
  const Kernels* kernels_ = nullptr;
  bool kept_ = true;
  std::vector<LayerWeights> layers_;
  std::vector<float> final_norm_;
  Buffer embedding_storage_;
  Buffer head_storage_;
  Buffer scratch_;
  Matrix embedding_;
  Matrix head_;
};

}  // namespace tunesmith::engine
