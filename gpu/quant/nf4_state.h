// NF4 weights inside a safetensors file, under the names that bitsandbytes and transformers use:
// `P.weight`, `P.weight.absmax`, `.quant_map`, `.nested_absmax`, `.nested_quant_map`,
// `.quant_state.bitsandbytes__nf4`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "formats/model_files.h"
#include "formats/safetensors.h"
#include "quant/nf4.h"

namespace tunesmith::engine {

// The tensors of one quantised weight. Owns what its views show beyond `tensor`, which must outlive
// it.
class Nf4State {
 public:
  // `weight_name` is e.g. "model.layers.0.mlp.up_proj.weight"; `source_dtype` is what the weights
  // were before.
  Nf4State(std::string_view weight_name, const Nf4Tensor& tensor, DType source_dtype);
  Nf4State(const Nf4State&) = delete;
  Nf4State& operator=(const Nf4State&) = delete;

  const std::vector<TensorView>& views() const { return views_; }

 private:
  std::string quant_state_json_;
  std::vector<TensorView> views_;
};

// Whether `weight_name` is stored as NF4 in `weights`.
bool has_nf4_state(const ModelWeights& weights, std::string_view weight_name);

// Failures (permanent): ModelTensorMissing; ModelFileInvalid when sizes disagree; ModelNotSupported
// for another quant_type, block size or code table than NF4's own.
Result<Nf4Tensor> read_nf4_state(const ModelWeights& weights, std::string_view weight_name);

}  // namespace tunesmith::engine
