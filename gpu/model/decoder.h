// The decoder, forward and backward, written out by hand: no autograd, nothing stored that is cheap
// to compute again, no logits but those that count.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "model/batch.h"
#include "model/kv_cache.h"
#include "model/lora.h"
#include "model/weights.h"

namespace tunesmith::engine {

// A loss over target tokens, summed, not averaged.
struct LossSum {
  double loss = 0;
  std::int64_t targets = 0;
};

struct TrainOptions {
  // The gradient is that of grad_scale * loss: 1 / (target tokens of the whole optimizer step).
  double grad_scale = 1;
  // Of this micro-batch; used when the adapter has dropout.
  std::uint64_t dropout_seed = 0;
  // Keep only each layer's input and compute the rest again. The numbers are the same.
  bool recompute = false;
};

// Called with a row of batch.target_rows and its logits [vocab], in order, on the calling thread.
using LogitsVisitor = std::function<void(std::int64_t row, const float* logits)>;

// Not thread-safe: one pass at a time, which uses threads() threads itself.
class Decoder {
 public:
  Decoder(Weights weights, Lora lora);
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  // Adds to lora().gradients.
  LossSum train(const Batch& batch, const TrainOptions& options);
  // Without gradients and dropout.
  LossSum evaluate(const Batch& batch);
  void logits(const Batch& batch, const LogitsVisitor& visit);

  // Fills the caches with the prompts of the batch (one document each) and visits the logits after
  // each prompt.
  void prefill(const Batch& batch, const std::vector<KvCache*>& caches, const LogitsVisitor& visit);
  // One more token per sequence.
  void decode(const std::vector<std::int32_t>& tokens, const std::vector<KvCache*>& caches,
              const LogitsVisitor& visit);

  const ModelConfig& config() const { return weights_.config(); }
  Elem elem() const { return weights_.elem(); }
  const Kernels& kernels() const { return weights_.kernels(); }
  Lora& lora() { return lora_; }
  const Lora& lora() const { return lora_; }
  // Call after lora().parameters changed.
  void adapter_changed() { weights_.set_adapter(lora_); }

 private:
  struct Pass;
  struct LayerState;

  // decoder.cpp
  void start(Pass& pass, const Batch& batch);
  LayerState new_state(const Pass& pass, std::int64_t layer, float* x);
  float* embed(const Pass& pass);
  void forward_layer(Pass& pass, std::int64_t layer, LayerState& state, const float* x,
                     const Matrix* pending);
  void attend(Pass& pass, std::int64_t layer, LayerState& state);
  void project(const Pass& pass, std::int64_t layer, LinearGroup which, const Matrix& in,
               const Matrix& out);
  Matrix adapter_input(const Pass& pass, std::int64_t layer, LinearGroup which, const Matrix& x);
  Dropout dropout_of(const Pass& pass, std::int64_t layer, LinearGroup which) const;
  float* forward_only(Pass& pass);
  void add_pending(const Pass& pass, const float* x, float* sum);
  LossSum head_loss(const Pass& pass, const float* x, float* d_x);
  void visit_logits(const Pass& pass, const float* x, const LogitsVisitor& visit);
  void ensure_positions(std::int64_t count);
  const GroupWeights& group(std::int64_t layer, LinearGroup which) const;

  // decoder_backward.cpp
  void backward_layer(const Pass& pass, std::int64_t layer, const LayerState& state, float* d_x);
  void backward_mlp(const Pass& pass, std::int64_t layer, const LayerState& state, float* d_x);
  void backward_attention(const Pass& pass, std::int64_t layer, const LayerState& state,
                          float* d_x);
  void restore_tail(std::int64_t layer, LinearGroup which, const LayerState& state,
                    const Matrix& in);
  void project_backward(const Pass& pass, std::int64_t layer, LinearGroup which, const Matrix& in,
                        const Matrix& d_out, const Matrix* d_in);
  void accumulate(const Pass& pass, const Matrix& left, const Matrix& right, float* gradient);

  Weights weights_;
  Lora lora_;
  std::unique_ptr<Arena> arena_;
  std::vector<float> cosine_;  // [positions, head_dim / 2]
  std::vector<float> sine_;
};

}  // namespace tunesmith::engine
