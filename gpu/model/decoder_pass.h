// What one pass over one batch carries along. Private to decoder*.cpp.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "model/decoder.h"

namespace tunesmith::engine {

// What a layer's backward pass needs and cannot cheaply compute again. "cat" matrices have room for
// the adapter's tail at the right (see GroupWeights).
struct Decoder::LayerState {
  float* x = nullptr;                       // the layer's input, [tokens, hidden]
  float* x_mid = nullptr;                   // after attention
  float* rstd_attention = nullptr;          // of the norms, [tokens]
  float* rstd_mlp = nullptr;                //
  Matrix qkv;                               // rotated
  Matrix attended;                          // cat
  float* log_sum_exp = nullptr;             // [heads, tokens]
  Matrix gate_up;                           // [gate | up]
  std::array<Matrix, kLinearGroups> tails;  // s X A' of each group, [tokens, tail]
};

enum class PassKind { kTrain, kEvaluate, kPrefill, kDecode };

struct Decoder::Pass {
  const Batch* batch = nullptr;
  PassKind kind = PassKind::kEvaluate;
  TrainOptions options;
  std::vector<KvCache*> caches;
  std::int64_t tokens = 0;

  // Buffers that every layer uses again.
  Matrix hidden_cat;                      // a norm's output
  Matrix mlp_cat;                         // SwiGLU's output
  Matrix branch;                          // what a layer adds to the residual stream
  Matrix dropped;                         // an adapter's input after dropout
  std::vector<float*> attention_scratch;  // per thread

  // Backward only.
  Matrix d_hidden_cat;     // gradient of what a layer adds
  Matrix d_attention_cat;  // of qkv
  Matrix d_mlp_cat;        // of gate_up
  Matrix d_hidden;         // of a norm's output
  Matrix d_attended;
  Matrix d_mlp;  // of SwiGLU's output
  Matrix d_dropped;
  Matrix d_weight;  // a gradient before it is added to the fp32 sum
  float* d_k = nullptr;
  float* d_v = nullptr;

  bool training() const { return kind == PassKind::kTrain; }
  bool drops(const Lora& lora) const {
    return training() && !lora.empty() && lora.config.lora_dropout > 0;
  }
};

}  // namespace tunesmith::engine
